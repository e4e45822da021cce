"""The rules of what becomes of events that fail: retries, their budget, quarantine."""

from __future__ import annotations

import math

from outbox.errors import ConfigurationError
from outbox.policy.flow import Policy
from outbox.policy.rule import Rule
from outbox.policy.values import Loss, OverBudget, Retry, Versions
from outbox.terms import check_terms

MAX_ATTEMPTS = 10
MAX_FLOOR_PER_S = 1_000_000
MAX_BUDGET_RATIO = 0.3  # above it, retries are what keeps a struggling dependency down


def _bad_limits(policy: Policy) -> bool:
    limits = policy.quarantine
    return not 0 < limits.ratio <= 1 or limits.consecutive < 1


def _bad_delays(policy: Policy) -> bool:
    return not 0 < policy.retry.base_s <= policy.retry.cap_s < math.inf


def _retries_outlive_deadline(policy: Policy) -> bool:
    return not _bad_delays(policy) and policy.retry.longest_s() >= policy.deadline_s > 0


FAILURE: tuple[Rule[Policy], ...] = (
    Rule(
        "attempts",
        lambda policy: not 1 <= policy.retry.attempts <= MAX_ATTEMPTS,
        "retry.attempts is {policy.retry.attempts}",
        f"give 1 to {MAX_ATTEMPTS}; longer outages are the delayed lane's",
    ),
    Rule(
        "retry_delays",
        _bad_delays,
        "retry.base_s is {policy.retry.base_s} and retry.cap_s {policy.retry.cap_s}",
        "give 0 < base_s <= cap_s",
    ),
    Rule(
        "retries_outlive_deadline",
        _retries_outlive_deadline,
        "its attempts in place can take as long as its deadline of {policy.deadline_s} s",
        "lower retry.attempts or retry.base_s",
    ),
    Rule(
        "retry_budget",
        lambda policy: (
            not 0 < policy.retry.budget_ratio <= MAX_BUDGET_RATIO
            or not 0 < policy.retry.budget_floor_per_s <= MAX_FLOOR_PER_S
        ),
        "retry.budget_ratio is {policy.retry.budget_ratio} and retry.budget_floor_per_s "
        "{policy.retry.budget_floor_per_s}",
        f"give a ratio up to {MAX_BUDGET_RATIO}, and a floor above 0 and up to {MAX_FLOOR_PER_S:,}",
    ),
    Rule(
        "over_budget_drop",
        lambda policy: policy.retry.over_budget is OverBudget.DROP and policy.loss is not Loss.LOSSY,
        "it is {policy.loss.value} and drops what is over its retry budget",
        "defer it or quarantine it",
    ),
    Rule(
        "critical_over_budget",
        lambda policy: policy.critical and policy.retry.over_budget is OverBudget.QUARANTINE,
        "it is critical, and an outage that spends the retry budget would park its healthy orders",
        "set retry.over_budget to defer",
    ),
    Rule(
        "quarantine_limits",
        _bad_limits,
        "its quarantine limits are {policy.quarantine}",
        "give a ratio above 0 and up to 1, and 1 or more in a row",
    ),
)


def require_runnable(retry: Retry, versions: Versions | None) -> None:
    """`ConfigurationError` for what no runtime can work with, whatever else a policy says."""
    check_terms(retry, above_zero=("attempts", "base_s", "cap_s", "budget_floor_per_s"), from_zero=("budget_ratio",))
    if retry.base_s > retry.cap_s:
        raise ConfigurationError(f"Retry.base_s is {retry.base_s}, and cap_s {retry.cap_s}; give 0 < base_s <= cap_s")
    if versions is not None:
        check_terms(versions, above_zero=("wait_s",))
