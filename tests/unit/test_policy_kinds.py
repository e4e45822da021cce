"""The four kinds of policy contradict nothing, whatever the deadline, and the runtime takes what they say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.consumer import RuntimeSettings
from outbox.policy import Policy, Quarantine, Retry, Sampling, contradictions

KINDS: dict[str, Callable[[float], Policy]] = {
    "lossless": lambda deadline_s: Policy.lossless(deadline_s, "the position"),
    "deferrable": lambda deadline_s: Policy.deferrable(deadline_s, "the row's key"),
    "lossy": Policy.lossy,
    "sampled": lambda deadline_s: Policy.lossy(deadline_s, Sampling(0.5, deadline_s / 2)),
    "rejectable": lambda deadline_s: Policy.rejectable(deadline_s, "the claim"),
}


@pytest.mark.parametrize("kind", KINDS)
@given(st.floats(min_value=1.0, max_value=1e6))
def test_a_kind_contradicts_nothing(kind: str, deadline_s: float) -> None:
    assert contradictions(KINDS[kind](deadline_s)) == []


def test_what_is_given_beside_is_taken() -> None:
    policy = Policy.lossless(60, "the claim", flow="mail", queue_bound=10, ordering_scope="order")

    assert (policy.flow, policy.queue_bound, policy.ordering_scope) == ("mail", 10, "order")


def test_the_runtime_takes_what_a_policy_says() -> None:
    retry = Retry(attempts=2, base_s=0.2, cap_s=9.0, budget_ratio=0.15, budget_floor_per_s=7.0)
    policy = Policy.lossless(
        3600, "the claim", retry=retry, quarantine=Quarantine(0.2, 5), queue_bound=77, queue_bytes=2 << 20
    )
    settings = RuntimeSettings.of(policy, lanes=3)

    assert (settings.lanes, settings.bound.records, settings.bound.bytes) == (3, 77, 2 << 20)
    assert (settings.retry.attempts, settings.retry.base_s, settings.retry.cap_s) == (2, 0.2, 9.0)
    assert (settings.retry.budget_ratio, settings.retry.budget_floor_per_s) == (0.15, 7.0)
    assert (settings.flood.ratio, settings.flood.consecutive) == (0.2, 5)
