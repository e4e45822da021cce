"""What an error means for a retry: it passes, it never will, or it is a plea for patience."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import psycopg

from outbox.consumer.retry.breaker import BreakerRule
from outbox.consumer.retry.credits import BudgetRule
from outbox.errors import ConfigurationError, OutboxError
from outbox.policy import OverBudget, Policy


class Trouble(StrEnum):
    """A permanent error belongs to one event, which is parked; the others are tried again."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    OVERLOAD = "overload"


class Clause(StrEnum):
    """The rule by which a retry was put off or an event held back, by its term in a flow's policy."""

    ATTEMPTS = "retry.attempts"
    BUDGET = "retry.budget_ratio"
    FLOOD_SHARE = "quarantine.ratio"
    FLOOD_ROW = "quarantine.consecutive"


class Overloaded(OutboxError):
    """Raised by a handler whose downstream asks for patience (429, 503). `retry_after_s` as it said, or None."""

    def __init__(self, said: str, retry_after_s: float | None = None) -> None:
        super().__init__(said)
        self.retry_after_s = retry_after_s


Classify = Callable[[Exception], Trouble]

# Of the data and not of the moment: the same row fails the same way tomorrow. A unique violation may be a race.
_PERMANENT = (
    psycopg.DataError,
    psycopg.errors.CheckViolation,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ForeignKeyViolation,
    UnicodeError,
)

_OUT_OF_RESOURCES = "53"  # PostgreSQL's class: too many connections, out of memory


def classify(error: Exception) -> Trouble:
    """By type; what is not known passes.

    >>> classify(ConnectionError()), classify(Overloaded("503")), classify(psycopg.DataError())
    (<Trouble.TRANSIENT: 'transient'>, <Trouble.OVERLOAD: 'overload'>, <Trouble.PERMANENT: 'permanent'>)
    """
    if isinstance(error, Overloaded) or (getattr(error, "sqlstate", None) or "").startswith(_OUT_OF_RESOURCES):
        return Trouble.OVERLOAD
    return Trouble.PERMANENT if isinstance(error, _PERMANENT) else Trouble.TRANSIENT


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How a group retries. A context with errors of its own gives `classify` a wider function.

    `attempts` in a row, the delays in full jitter; then the lane's head is put off for `defer_s` and more each time,
    without end: nothing is lost, its key keeps its order, and other lanes go on. `over_budget`: what becomes of events
    that failed when the group's budget is spent; what is dropped is given up as the runtime's `Shedding` permits.
    """

    attempts: int = 3
    base_s: float = 0.1
    cap_s: float = 30.0
    defer_s: float = 1.0
    classify: Classify = classify
    budget: BudgetRule = field(default_factory=BudgetRule)
    breaker: BreakerRule = field(default_factory=BreakerRule)
    over_budget: OverBudget = OverBudget.DEFER

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.base_s <= 0 or self.defer_s <= 0 or self.cap_s < self.base_s:
            raise ConfigurationError(f"{self} cannot retry: attempts 1 or more, delays above 0, cap_s not below base_s")

    @classmethod
    def of(cls, policy: Policy) -> RetryRule:
        """What a flow's policy says of retries."""
        said = policy.retry
        budget = BudgetRule(said.budget_ratio, said.budget_floor_per_s)
        return cls(said.attempts, said.base_s, said.cap_s, budget=budget, over_budget=said.over_budget)

    def puts_off(self, failed: int) -> bool:
        """After so many failed attempts in a row: is the next one a delayed one?"""
        return failed >= self.attempts

    def delay_s(self, failed: int, rng: random.Random) -> float:
        """Before the next attempt: full jitter, anything up to base x 2^failed, capped; from `defer_s` on if put off.

        >>> 0 <= RetryRule().delay_s(100, random.Random(1)) <= 30
        True
        """
        if not self.puts_off(failed):
            return rng.uniform(0, min(self.cap_s, self.base_s * 2.0 ** min(failed - 1, 32)))
        longest = max(self.defer_s, min(self.cap_s, self.defer_s * 2.0 ** min(failed - self.attempts, 32)))
        return min(self.cap_s, rng.uniform(self.defer_s / 2, longest))
