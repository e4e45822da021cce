"""Every term of a policy acts: with another value something is done, allowed or refused otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from outbox.consumer import Expiry, RuntimeSettings, Shedding
from outbox.policy import (
    DuplicateImpact,
    Expired,
    InMode,
    Loss,
    OverBudget,
    Policy,
    Quarantine,
    Retry,
    Sampling,
    ServiceClass,
    Versions,
    contradictions,
    contradictions_among,
)
from outbox.policy.page import MEANING
from strangler.flows.interlock import Permitted, ReconciledEvidence, may_shed
from strangler.service.shedding import expiry_of
from tests.unit.policies import BULK, CRITICAL, LOSSY, STANDARD, place

GREEN = ReconciledEvidence(age_s=1.0, unknown=0, findings=0, matches=1)
PARKING = replace(STANDARD, retry=Retry(over_budget=OverBudget.QUARANTINE))
Aspect = Callable[[Policy], object]


def settings(policy: Policy) -> RuntimeSettings:
    return RuntimeSettings.of(policy)


def rules(policy: Policy) -> list[str]:
    return [found.rule for found in contradictions(policy)]


def beside_others(policy: Policy) -> list[str]:
    """The rules that it breaks beside a critical flow which reads what it writes, and a bulk one that it reads."""
    placed = [place(policy, reads=("b",), writes=("a",)), place(CRITICAL, reads=("a",)), place(BULK, writes=("b",))]
    return sorted(found.rule for found in contradictions_among(placed))


def late(policy: Policy) -> Expiry | None:
    return expiry_of(policy)


def sampled(policy: Policy) -> object:
    sample = Shedding.of(policy, permitted=lambda: True).sample
    return sample and (sample.keep, sample.above_s, sample.by_key)


def sampled_at_a_peak(policy: Policy) -> object:
    return Shedding.of(policy, permitted=lambda: True, mode=lambda: "peak").now()


def number(policy: Policy) -> object:
    """As `numbers_now` says it to a context's code."""
    return policy.during("").numbers["limit"]


def may_lose(policy: Policy) -> bool:
    return isinstance(may_shed(policy, GREEN, rebuildable=bool(policy.rebuild)), Permitted)


def cited(policy: Policy) -> str:
    return policy.clause("expired")


# The term, a policy, the same with another value of this term alone, and what is otherwise then.
ACTS: Mapping[str, tuple[Policy, Policy, Aspect]] = {
    "flow": (STANDARD, replace(STANDARD, flow="letters"), cited),
    "loss": (LOSSY, replace(LOSSY, loss=Loss.DEFERRABLE), may_lose),
    "deadline_s": (LOSSY, replace(LOSSY, deadline_s=7_200.0), late),
    "replayable": (LOSSY, replace(LOSSY, replayable=False), may_lose),
    "duplicate_impact": (BULK, replace(BULK, duplicate_impact=DuplicateImpact.HARMFUL), rules),
    "duplicate_guard": (STANDARD, replace(STANDARD, duplicate_guard=""), rules),
    "ordering_scope": (STANDARD, replace(STANDARD, ordering_scope="none"), beside_others),
    "throttling_unit": (STANDARD, replace(STANDARD, throttling_unit=""), rules),
    "degrade_order": (LOSSY, replace(LOSSY, degrade_order=2), beside_others),
    "queue_bound": (STANDARD, replace(STANDARD, queue_bound=7), settings),
    "queue_reason": (STANDARD, replace(STANDARD, queue_reason=""), rules),
    "queue_bytes": (STANDARD, replace(STANDARD, queue_bytes=2_000_000), settings),
    "floor_per_s": (STANDARD, replace(STANDARD, floor_per_s=7.0), settings),
    "service_class": (PARKING, replace(PARKING, service_class=ServiceClass.CRITICAL), rules),
    "rate_per_s": (STANDARD, replace(STANDARD, rate_per_s=1.0), rules),
    "expired": (LOSSY, replace(LOSSY, expired=Expired.RUN), late),
    "compensation": (
        replace(STANDARD, expired=Expired.COMPENSATE, compensation="Undone"),
        replace(STANDARD, expired=Expired.COMPENSATE),
        rules,
    ),
    "retry.attempts": (STANDARD, replace(STANDARD, retry=Retry(attempts=7)), settings),
    "retry.base_s": (STANDARD, replace(STANDARD, retry=Retry(base_s=0.3)), settings),
    "retry.cap_s": (STANDARD, replace(STANDARD, retry=Retry(cap_s=7.0)), settings),
    "retry.budget_ratio": (STANDARD, replace(STANDARD, retry=Retry(budget_ratio=0.15)), settings),
    "retry.budget_floor_per_s": (STANDARD, replace(STANDARD, retry=Retry(budget_floor_per_s=3.0)), settings),
    "retry.over_budget": (STANDARD, replace(STANDARD, retry=Retry(over_budget=OverBudget.QUARANTINE)), settings),
    "quarantine.ratio": (STANDARD, replace(STANDARD, quarantine=Quarantine(ratio=0.5)), settings),
    "quarantine.consecutive": (STANDARD, replace(STANDARD, quarantine=Quarantine(consecutive=7)), settings),
    "sampling.keep": (LOSSY, replace(LOSSY, sampling=Sampling(keep=0.2, above_s=60.0)), sampled),
    "sampling.above_s": (LOSSY, replace(LOSSY, sampling=Sampling(keep=0.1, above_s=70.0)), sampled),
    "sampling.by_key": (LOSSY, replace(LOSSY, sampling=Sampling(keep=0.1, above_s=60.0, by_key=False)), sampled),
    "versions.wait_s": (
        replace(STANDARD, versions=Versions(60.0)),
        replace(STANDARD, versions=Versions(61.0)),
        settings,
    ),
    "numbers": (replace(STANDARD, numbers={"limit": 1}), replace(STANDARD, numbers={"limit": 2}), number),
    "modes": (
        replace(LOSSY, modes=(InMode("peak", sampling=Sampling(keep=0.01, above_s=60.0)),)),
        replace(LOSSY, modes=(InMode("peak", sampling=Sampling(keep=0.02, above_s=60.0)),)),
        sampled_at_a_peak,
    ),
    "rebuild": (LOSSY, replace(LOSSY, rebuild=()), may_lose),
}


def test_every_documented_term_is_held_against_what_it_does() -> None:
    assert set(ACTS) == set(MEANING)


@pytest.mark.parametrize("term", ACTS)
def test_a_term_acts_by_itself(term: str) -> None:
    before, after, aspect = ACTS[term]
    names = {name for name in before.terms() if before.terms()[name] != after.terms()[name]}
    differing = {name.partition(".")[0] if name.startswith(("numbers.", "modes.")) else name for name in names}
    assert differing == {term}
    assert aspect(before) != aspect(after)
