"""A service, run: its consumer as its policy says, and the sender of its effects where it asks vendors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial

from outbox.consumer import (
    BudgetRule,
    Disposition,
    Observe,
    RetryBudget,
    RuntimeSettings,
    VersionProgress,
)
from outbox.consumer.middleware.shedding import no_mode
from outbox.errors import ConfigurationError
from outbox.policy import require
from outbox.schema.parts import CONSUMER
from outbox.telemetry import log_to_stderr
from strangler.contexts import context_of
from strangler.modes.table import HeldReader
from strangler.modes.watch import ModeWatch, watched
from strangler.schema.parts import CONTEXT
from strangler.service.declaration import Service
from strangler.service.giving_way import giving_way, log_giving_way
from strangler.service.runner import Consuming, consume
from strangler.service.settings import RunSettings
from strangler.service.shedding import expiry_of, shedding_of
from strangler.service.vendors import limits_in_modes, limits_of
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.handler import MAX_VERSION
from strangler.step.step_progress import handled_by
from strangler.step.vendor import Vendor
from strangler.step.vendor_budget import VendorBudget


def run(
    service: Service,
    settings: RunSettings,
    *,
    subject: str = "",
    feeds: Sequence[Service] = (),
    consuming: RuntimeSettings | None = None,
    sending: SenderSettings | None = None,
) -> None:
    """Run the service until SIGTERM or SIGINT; says `ready NAME` on stdout once it has partitions.

    `subject`: the topic of a service that names none. `feeds`: the services that read what it appends; while one that
    is of no lower class is under pressure, this one takes its policy's `floor_per_s` events a second. `consuming` and
    `sending` are as its policy and the defaults say, unless given. `ConfigurationError` lists what its policy says
    against itself, before anything is opened.
    """
    require(service.policy)
    consuming = consuming or RuntimeSettings.of(service.policy, lanes=settings.lanes, start=service.start)
    vendors = service.reached_vendors(settings.environ)
    held = HeldReader(partial(settings.connect, "strangler", autocommit=True))
    watch = ModeWatch(service.name, held)
    in_modes = limits_in_modes(service.policy, service.vendors)
    calls = VendorBudget(limits_of(service.vendors), in_modes=in_modes, mode=watch.now)

    def sender(observe: Observe) -> EffectSender | None:
        if not vendors:
            return None
        budget = BudgetRule.of(consuming.retry, consuming.credit_s)
        return sender_of(service, settings, budget, vendors=vendors, calls=calls, observe=observe, sending=sending)

    given_way_to = [one for one in feeds if service.policy.gives_way_to(one.policy)]
    log_to_stderr()
    with (
        closing(held),
        watched(watch) if service.policy.modes else nullcontext(),
        giving_way(given_way_to, settings, subject, partial(log_giving_way, service)) as several,
    ):
        whole = consuming_of(service, settings, consuming, subject, calls if vendors else None, mode=watch.now)
        consume(replace(whole, feeds=several, gauges=watch.gauges), settings, sender)


def consuming_of(
    service: Service,
    settings: RunSettings,
    consuming: RuntimeSettings,
    subject: str,
    calls: VendorBudget | None = None,
    *,
    mode: Callable[[], str] = no_mode,
) -> Consuming:
    """`calls` hears what legacy calls at the service's vendors. `mode` names the one that holds."""
    legacy_acts = calls.made_by_legacy if calls is not None else lambda _: None
    return Consuming(
        name=service.name,
        group=service.name,
        schema=service.schema,
        topics=context_of(service, subject).topics,
        parts=(CONSUMER, CONTEXT),
        handler=service.handler(settings.fault_points, legacy_acts),
        settings=consuming,
        expiry=expiry_of(service.policy, service.compensate),
        progress=progress_of(service),
        shedding=shedding_of(service, settings.dsn, mode),
        wakes=frozenset({Disposition.APPLIED}),
    )


def progress_of(service: Service) -> VersionProgress | None:
    """How far a step has come with each subject; None where nothing is waited for."""
    if service.policy.versions is None:
        return None
    if service.decide is None:
        raise ConfigurationError(f"{service.name} waits for versions and is no step: nobody knows how far it has come")
    return VersionProgress(handled_by(service.name, service.concerns), MAX_VERSION)


def sender_of(
    service: Service,
    settings: RunSettings,
    budget: BudgetRule,
    *,
    vendors: Mapping[str, Vendor],
    calls: VendorBudget,
    observe: Observe,
    sending: SenderSettings | None,
) -> EffectSender:
    """The budget is the group's, which its consumer spends from too."""
    return EffectSender(
        connect=lambda: settings.connect(service.schema),
        step=service.name,
        vendors=vendors,
        conclude=service.conclude,
        apply_writes=service.apply_writes,
        budget=RetryBudget(settings.group(service.name), budget),
        calls=calls,
        settings=sending,
        fault_points=settings.fault_points,
        observe=observe,
    )
