"""Puts a context together and runs it: consumer, step, and the sender of its effects where it has any."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import psycopg

from new_services.giving_up import expiry_of, shedding_of
from new_services.services import Service
from outbox import KafkaSettings
from outbox.connection import PsycopgConnection
from outbox.consumer import (
    BudgetRule,
    ConsumerRuntime,
    Disposition,
    FloodRule,
    Metric,
    RetryBudget,
    RetryRule,
    RuntimeSettings,
    Versions,
    rarely_collected,
)
from outbox.consumer.partitions.bounds import Bound
from outbox.errors import ConfigurationError
from outbox.fault_points import FaultPoints
from outbox.installation import Installation, sources_in
from outbox.kafka.port import Admin, GroupTiming
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from outbox.metrics import Counters, address_of, served
from outbox.policy import FlowPolicy, require
from outbox.telemetry import log_to_stderr
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.handled import handled_by
from strangler.step.handler import MAX_VERSION

logger = logging.getLogger(__name__)

# A member that was killed is missed after the session; the brokers' usual minimum is 6 s.
SESSION_S, HEARTBEAT_S = 10.0, 2.0
ENDED_WITHIN_S = 30.0  # the calls under way have timeouts below it
LIMITS = "-c lock_timeout=10s -c statement_timeout=30s"


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and names, from the environment."""

    dsn: str
    kafka: KafkaSettings
    vendors_url: str | None
    topic_prefix: str
    group_prefix: str
    timing: GroupTiming
    lanes: int | None
    fault_points: FaultPoints
    other_sources: frozenset[str] = frozenset()
    metrics: tuple[str, int] | None = None


def read_settings(environ: Mapping[str, str], *, lanes: int | None) -> Settings:
    """`ConfigurationError` names every variable that is missing."""
    missing = [name for name in ("STRANGLER_DSN", "KAFKA_BOOTSTRAP") if not environ.get(name)]
    if missing:
        raise ConfigurationError(f"not set: {', '.join(missing)}; `strangler up` prints them")
    return Settings(
        dsn=environ["STRANGLER_DSN"],
        kafka=KafkaSettings.from_environ(environ),
        vendors_url=environ.get("VENDORS_URL"),
        topic_prefix=environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event."),
        group_prefix=environ.get("OUTBOX_GROUP_PREFIX", ""),
        timing=GroupTiming(SESSION_S, HEARTBEAT_S, rest_s=rest_s_of(environ)),
        lanes=lanes,
        fault_points=FaultPoints.from_environ(environ),
        other_sources=sources_in(environ),
        metrics=address_of(environ),
    )


def rest_s_of(environ: Mapping[str, str]) -> float:
    """OUTBOX_POLL_REST_MS: 0 to 1000, for a broker that does not hold empty fetches; 0 where it is not set."""
    text = environ.get("OUTBOX_POLL_REST_MS", "0")
    if not text.isdecimal() or int(text) > 1000:
        raise ConfigurationError(f"OUTBOX_POLL_REST_MS is {text!r}; it must be a number from 0 to 1000")
    return int(text) / 1000


def run(
    service: Service,
    settings: Settings,
    *,
    consuming: RuntimeSettings | None = None,
    sending: SenderSettings | None = None,
) -> None:
    """Run the context until SIGTERM or SIGINT; says `ready NAME` on stdout once it has partitions.

    `consuming` and `sending` are as its policy and the defaults say, unless given. `ConfigurationError` lists what its
    policy says against itself, before anything is opened.
    """
    require(service.policy)
    log_to_stderr()
    counters = Counters({"context": service.name})
    consuming = consuming or runtime_settings(service.policy, settings.lanes)
    sender = sender_of(service, settings, consuming.retry.budget, sending or SenderSettings(), counters)
    with (
        served(counters, settings.metrics),
        closing(PythonAdmin(settings.kafka, client_id=service.name)) as admin,
    ):
        runtime = runtime_of(service, settings, admin, Signals(service.name, sender, counters), consuming)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: runtime.stop())
        with rarely_collected(), _sending(sender, runtime):
            runtime.run()


class Signals:
    """The runtime's counts as signals: partitions are there, and something was committed. Called from many threads."""

    def __init__(self, name: str, sender: EffectSender | None, counters: Counters) -> None:
        self._name, self._sender, self._counters = name, sender, counters
        self._ready, self._lock = False, threading.Lock()

    def __call__(self, name: str, value: int, **labels: str) -> None:
        self._counters(name, value, **labels)
        if name == Metric.ASSIGNED:
            self._say_ready()
        elif name == Metric.DISPOSITION:
            logger.debug("events_handled", extra={"count": value, **labels})
            if self._sender is not None and labels.get("disposition") == Disposition.APPLIED:
                self._sender.wake()

    def _say_ready(self) -> None:
        with self._lock:
            first, self._ready = not self._ready, True
        if first:
            sys.stdout.write(f"ready {self._name}\n")
            sys.stdout.flush()


def runtime_of(
    service: Service, settings: Settings, admin: Admin, signals: Signals, consuming: RuntimeSettings
) -> ConsumerRuntime:
    group = settings.group_prefix + service.name
    with connect(settings.dsn, service.schema) as connection:
        ours = Installation.of(connection, settings.other_sources, settings.group_prefix)
    return ConsumerRuntime(
        consumer=PythonConsumer(
            settings.kafka, group=ours.kafka_group(service.name), timing=settings.timing, client_id=service.name
        ),
        admin=admin,
        connect=lambda: connect(settings.dsn, service.schema),
        group=group,
        topics=[settings.topic_prefix + topic for topic in service.topics],
        handler=service.handler(settings.fault_points),
        settings=consuming,
        fault_points=settings.fault_points,
        observe=signals,
        reader=lambda: PythonReader(settings.kafka, client_id=f"{service.name}-release"),
        sources=ours.sources,
        expiry=expiry_of(service.policy),
        versions=versions_of(service, group),
        shedding=shedding_of(service, settings.dsn),
    )


def versions_of(service: Service, group: str) -> Versions | None:
    """How the context waits for missing versions, as its policy says."""
    if service.policy.versions is None:
        return None
    if service.step is None:
        raise ConfigurationError(f"{service.name} waits for versions and is no step: nobody knows how far it has come")
    return Versions.of(service.policy, group, handled_by(service.name, service.step.concerns), MAX_VERSION)


def runtime_settings(policy: FlowPolicy, lanes: int | None = None) -> RuntimeSettings:
    """What the policy says of queues and retries, as the runtime takes it."""
    chosen = RuntimeSettings(
        bound=Bound(policy.queue_bound, policy.queue_bytes),
        retry=RetryRule(
            attempts=policy.retry.attempts,
            base_s=policy.retry.base_s,
            cap_s=policy.retry.cap_s,
            budget=BudgetRule(policy.retry.budget_ratio, policy.retry.budget_floor_per_s),
            over_budget=policy.retry.over_budget,
        ),
        flood=FloodRule(policy.quarantine.ratio, policy.quarantine.consecutive),
    )
    return chosen if lanes is None else replace(chosen, lanes=lanes)


def sender_of(
    service: Service, settings: Settings, budget: BudgetRule, sending: SenderSettings, counters: Counters
) -> EffectSender | None:
    """The budget is the group's, which its consumer spends from too."""
    step = service.step
    if step is None or step.vendors is None:
        return None
    if not settings.vendors_url:
        raise ConfigurationError(f"not set: VENDORS_URL, which {service.name} calls; `strangler up` prints it")
    return EffectSender(
        connect=lambda: connect(settings.dsn, service.schema),
        step=service.name,
        vendors=step.vendors(settings.vendors_url),
        conclude=step.conclude,
        apply_writes=step.apply_writes,
        budget=RetryBudget(settings.group_prefix + service.name, budget),
        settings=sending,
        fault_points=settings.fault_points,
        observe=counters,
    )


def connect(dsn: str, schema: str) -> PsycopgConnection:
    """A connection in which the context's tables need no schema name; no wait is without end."""
    options = f"-c search_path={schema} {LIMITS}"
    return psycopg.connect(dsn, options=options, connect_timeout=10, application_name=schema)


@contextmanager
def _sending(sender: EffectSender | None, runtime: ConsumerRuntime) -> Iterator[None]:
    """The sender beside the runtime, in a thread; none where there is nothing to send."""
    if sender is None:
        yield
        return
    thread = threading.Thread(target=_send, args=(sender, runtime), name="effects")
    thread.start()
    try:
        yield
    finally:
        sender.stop()
        thread.join(ENDED_WITHIN_S)


def _send(sender: EffectSender, runtime: ConsumerRuntime) -> None:
    """A sender that dies takes the process along: planned effects must not pile up behind a healthy look."""
    try:
        sender.run()
    except Exception:  # the thread's edge
        logger.exception("effect_sender_died")
        runtime.stop()
