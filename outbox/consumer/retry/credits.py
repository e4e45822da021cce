"""The arithmetic of a retry budget: what deliveries earn, what failures cost, what is too old to count. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from outbox.policy import Retry
from outbox.terms import check_terms


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """A delivered event earns `ratio` of a retry, a second `floor_per_s`; both are worth nothing after `ttl_s`.

    So a group's failed attempts stay near `ratio` of its deliveries however many instances it has: a retry storm
    cannot build up. `lease` is how many retries an instance takes from the group's account at a time.
    """

    ratio: float = 0.10
    floor_per_s: float = 10.0
    ttl_s: float = 10.0
    lease: int = 10

    def __post_init__(self) -> None:
        check_terms(self, above_zero=("floor_per_s", "ttl_s", "lease"), from_zero=("ratio",))

    @classmethod
    def of(cls, retry: Retry, credit_s: float) -> BudgetRule:
        """What a policy says of retries, as an account whose entries count for `credit_s`."""
        return cls(retry.budget_ratio, retry.budget_floor_per_s, credit_s)


@dataclass(frozen=True, slots=True)
class Credits:
    """The account, in two halves of the lifetime: `fresh` of this one, `stale` of the one before. Seconds are epochs.

    Debts age as credits do: an outage long ago holds back no retry of today.
    """

    generation: int
    fresh: float
    stale: float
    accrued_at: float

    @classmethod
    def opened(cls, now_s: float, rule: BudgetRule) -> Credits:
        """A new account, worth half a lifetime of the floor."""
        return cls(_generation(now_s, rule), rule.floor_per_s * rule.ttl_s / 2, 0.0, now_s)

    @property
    def balance(self) -> float:
        return self.fresh + self.stale

    def at(self, now_s: float, rule: BudgetRule) -> Credits:
        """Aged to `now_s`, with the floor of the time between. A clock that went back ages nothing."""
        generation = max(self.generation, _generation(now_s, rule))
        fresh, stale = self.fresh, self.stale
        if generation == self.generation + 1:
            fresh, stale = 0.0, fresh
        elif generation > self.generation:
            fresh, stale = 0.0, 0.0
        accrued = rule.floor_per_s * min(max(now_s - self.accrued_at, 0.0), rule.ttl_s / 2)
        return Credits(generation, fresh + accrued, stale, max(self.accrued_at, now_s))

    def settle(self, rule: BudgetRule, *, delivered: int, failed: int) -> Credits:
        """Earn for deliveries, pay for failed attempts; the account may go below zero."""
        return replace(self, fresh=self.fresh + rule.ratio * delivered - failed)

    def lease(self, wanted: int) -> tuple[Credits, int]:
        """Up to `wanted` whole retries out of the account, the oldest credits first, and how many."""
        granted = max(0, min(wanted, int(self.balance)))
        from_stale = min(granted, max(self.stale, 0.0))
        return replace(self, stale=self.stale - from_stale, fresh=self.fresh - (granted - from_stale)), granted


def _generation(now_s: float, rule: BudgetRule) -> int:
    return int(now_s // (rule.ttl_s / 2))
