"""Each rule of one policy: a policy that breaks it alone is named with its fix, and the start is refused."""

from dataclasses import replace

import pytest

from outbox.consumer import RuntimeSettings
from outbox.errors import ConfigurationError
from outbox.policy import (
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
    require,
)
from outbox.policy.policy_rules import RULES
from outbox.policy.rule import Rule
from strangler.service.serving import run
from strangler.service.settings import RunSettings
from tests.support.services import SERVICES
from tests.unit.policies import BULK, CRITICAL, GOOD, LOSSY, STANDARD

UNORDERED = replace(BULK, ordering_scope="none")
BREAKS: dict[str, Policy] = {
    "floor": replace(STANDARD, floor_per_s=0.0),
    "flow_name": replace(STANDARD, flow="Mails!"),
    "deadline": replace(STANDARD, deadline_s=0.0),
    "rate": replace(STANDARD, rate_per_s=0.0),
    "scope": replace(STANDARD, ordering_scope=""),
    "unit": replace(STANDARD, throttling_unit=""),
    "queue_bound": replace(STANDARD, queue_bound=0),
    "queue_bytes": replace(STANDARD, queue_bytes=1_000),
    "queue_reason": replace(STANDARD, queue_reason=""),
    "queue_outlives_deadline": replace(STANDARD, queue_bound=60_001),
    "lossless_replayable": replace(STANDARD, replayable=False),
    "lossless_degraded": replace(STANDARD, degrade_order=1),
    "lossy_forever": replace(LOSSY, sampling=None, replayable=False, rebuild=()),
    "rebuild": replace(LOSSY, rebuild=("strangler", " ")),
    "degrade_order": replace(BULK, degrade_order=None),
    "critical_lossy": replace(CRITICAL, loss=Loss.LOSSY, degrade_order=3),
    "bulk_in_a_hurry": replace(BULK, deadline_s=59.0),
    "harmful_unguarded": replace(STANDARD, duplicate_guard=""),
    "expired_drop": replace(BULK, expired=Expired.DROP),
    "expired_escalated": replace(LOSSY, expired=Expired.ESCALATE),
    "compensation": replace(CRITICAL, expired=Expired.COMPENSATE),
    "compensation_unordered": replace(UNORDERED, expired=Expired.COMPENSATE, compensation="StockReleased"),
    "sample_lossless": replace(BULK, sampling=Sampling(keep=0.5, above_s=60.0)),
    "sample_share": replace(LOSSY, sampling=Sampling(keep=1.0, above_s=60.0)),
    "sample_too_late": replace(LOSSY, sampling=Sampling(keep=0.5, above_s=86_400.0)),
    "sample_holes": replace(LOSSY, sampling=Sampling(keep=0.5, above_s=60.0, by_key=False)),
    "sample_forever": replace(LOSSY, replayable=False),
    "versions_wait": replace(STANDARD, versions=Versions(wait_s=0.0)),
    "versions_unordered": replace(UNORDERED, versions=Versions(wait_s=60.0)),
    "versions_holes": replace(LOSSY, sampling=None, versions=Versions(wait_s=60.0)),
    "attempts": replace(STANDARD, retry=Retry(attempts=0)),
    "retry_delays": replace(STANDARD, retry=Retry(base_s=31.0)),
    "retries_outlive_deadline": replace(CRITICAL, deadline_s=60.0, retry=Retry(attempts=10, cap_s=20.0)),
    "retry_budget": replace(STANDARD, retry=Retry(budget_ratio=0.5)),
    "over_budget_drop": replace(STANDARD, retry=Retry(over_budget=OverBudget.DROP)),
    "critical_over_budget": replace(CRITICAL, retry=Retry(over_budget=OverBudget.QUARANTINE)),
    "mode_names": replace(STANDARD, modes=(InMode("Peak", calls_per_s=1.0),)),
    "mode_twice": replace(STANDARD, modes=(InMode("peak", calls_per_s=1.0),) * 2),
    "mode_changes_nothing": replace(STANDARD, modes=(InMode("peak"),)),
    "mode_number": replace(STANDARD, modes=(InMode("peak", numbers={"limit": 1}),)),
    "mode_calls": replace(STANDARD, modes=(InMode("peak", calls_per_s=0.0),)),
    "endless_number": replace(STANDARD, numbers={"limit": float("inf")}),
    "quarantine_limits": replace(STANDARD, quarantine=Quarantine(ratio=0.0)),
}


def test_every_rule_has_a_policy_that_breaks_it() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) >= 25
    assert set(BREAKS) == {rule.name for rule in RULES}


@pytest.mark.parametrize("policy", [*GOOD, UNORDERED, *(service.policy for service in SERVICES.values())])
def test_a_sound_policy_breaks_none(policy: Policy) -> None:
    assert contradictions(policy) == []
    assert require(policy) is policy


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_policy_that_breaks_one_rule_is_refused_for_that_rule_alone(rule: Rule[Policy]) -> None:
    name = rule.name
    policy = BREAKS[name]

    (found,) = contradictions(policy)

    assert found.rule == name
    assert found.fix
    with pytest.raises(ConfigurationError, match=rf"\[{name}\]"):
        require(policy)


@pytest.mark.parametrize(
    ("rule", "policy"),
    [
        ("deadline", replace(STANDARD, deadline_s=float("inf"))),
        ("rate", replace(STANDARD, rate_per_s=float("inf"))),
        ("scope", replace(STANDARD, ordering_scope=" ")),
        ("unit", replace(STANDARD, throttling_unit="\t")),
        ("queue_reason", replace(STANDARD, queue_reason=" \n")),
        ("queue_reason", replace(STANDARD, queue_reason="\u200b---")),
        ("harmful_unguarded", replace(STANDARD, duplicate_guard=" ")),
        ("compensation", replace(STANDARD, expired=Expired.COMPENSATE, compensation=" ")),
        ("retry_budget", replace(STANDARD, retry=Retry(budget_floor_per_s=float("inf")))),
        ("degrade_order", replace(BULK, degrade_order=0)),
        ("compensation", replace(STANDARD, compensation="StockReleased")),
        ("attempts", replace(STANDARD, retry=Retry(attempts=11, cap_s=1.0))),
        ("retry_budget", replace(STANDARD, retry=Retry(budget_floor_per_s=0.0))),
        ("sample_too_late", replace(LOSSY, sampling=Sampling(keep=0.5, above_s=0.0))),
        ("versions_wait", replace(STANDARD, versions=Versions(wait_s=600.1))),
        ("versions_holes", replace(LOSSY, expired=Expired.RUN, versions=Versions(wait_s=60.0))),
        ("quarantine_limits", replace(STANDARD, quarantine=Quarantine(consecutive=0))),
    ],
)
def test_a_rule_is_broken_from_its_other_side_too(rule: str, policy: Policy) -> None:
    assert [found.rule for found in contradictions(policy)] == [rule]


def test_all_contradictions_are_found_at_once() -> None:
    policy = replace(
        STANDARD, deadline_s=-1.0, queue_bound=0, queue_reason="", replayable=False, service_class=ServiceClass.CRITICAL
    )

    names = {found.rule for found in contradictions(policy)}
    with pytest.raises(ConfigurationError) as refused:
        require(policy)

    assert names == {"deadline", "queue_bound", "queue_reason", "lossless_replayable"}
    assert str(refused.value).count("\n") == len(names)


def test_the_runtime_takes_its_bounds_and_retries_from_the_policy() -> None:
    policy = replace(STANDARD, queue_bound=77, queue_bytes=2_000_000, retry=Retry(base_s=0.2, cap_s=5.0))

    settings = RuntimeSettings.of(policy, lanes=3)

    assert (settings.bound.records, settings.bound.bytes, settings.lanes) == (77, 2_000_000, 3)
    assert (settings.retry.base_s, settings.retry.cap_s) == (0.2, 5.0)
    assert settings.retry == policy.retry
    assert RuntimeSettings.of(policy).lanes == 8


def test_a_context_whose_policy_contradicts_itself_does_not_start() -> None:
    nowhere = {"STRANGLER_DSN": "postgresql://nowhere", "KAFKA_BOOTSTRAP": "nowhere:1", "VENDORS_URL": "http://nowhere"}
    service = replace(SERVICES["search"], policy=replace(SERVICES["search"].policy, queue_reason=""))

    with pytest.raises(ConfigurationError, match=r"\[queue_reason\]"):
        run(service, RunSettings.from_environ(nowhere))
