"""What the terms of a policy are made of: closed sets, and values of several terms, each checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from outbox.terms import check_terms


class ServiceClass(StrEnum):
    """Who must not wait for whom."""

    CRITICAL = "critical"
    STANDARD = "standard"
    BULK = "bulk"


class Loss(StrEnum):
    """What may happen to an event of the flow under pressure."""

    LOSSLESS = "lossless"
    DEFERRABLE = "deferrable"
    LOSSY = "lossy"
    REJECTABLE = "rejectable"


class DuplicateImpact(StrEnum):
    """What a second execution does to the world."""

    HARMLESS = "harmless"
    HARMFUL = "harmful"


class Expired(StrEnum):
    """The branch that work takes once its deadline has passed, before a handler runs."""

    RUN = "run"  # late, but done
    DROP = "drop"
    DEFER = "defer"  # behind everything that is still in time
    COMPENSATE = "compensate"
    ESCALATE = "escalate"  # parked for a person


class OverBudget(StrEnum):
    """What happens to a failed event when the group's retry budget is spent."""

    DEFER = "defer"
    QUARANTINE = "quarantine"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` in place, with full jitter up to base x 2^n, capped. The budget is the whole group's.

    The first retry is made at once where the attempt failed within `base_s`, the error passes, no breaker or pace
    holds the group back and a retry is reserved already; with `attempts` of 1 it never is.

    Retries may be `budget_ratio` of the deliveries, plus `budget_floor_per_s` so that a quiet flow can retry at all.
    """

    attempts: int = 3
    base_s: float = 0.1
    cap_s: float = 30.0
    budget_ratio: float = 0.1
    budget_floor_per_s: float = 10.0
    over_budget: OverBudget = OverBudget.DEFER

    def __post_init__(self) -> None:
        check_terms(self)

    def longest_s(self) -> float:
        """The longest that the attempts in place can wait in all."""
        return sum(min(self.cap_s, self.base_s * 2.0**attempt) for attempt in range(min(self.attempts, 64)))


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The breaker of a partition: it stops rather than park a larger share, or more events in a row, than this."""

    ratio: float = 0.05
    consecutive: int = 20

    def __post_init__(self) -> None:
        check_terms(self)


@dataclass(frozen=True, slots=True)
class Sampling:
    """While the oldest event waits longer than `above_s`, only the share `keep` is handled: of keys, or of events."""

    keep: float
    above_s: float
    by_key: bool = True

    def __post_init__(self) -> None:
        check_terms(self)


@dataclass(frozen=True, slots=True)
class Versions:
    """An event that comes before an earlier version of its aggregate is parked for so long; then a person is asked."""

    wait_s: float

    def __post_init__(self) -> None:
        check_terms(self)


@dataclass(frozen=True, slots=True)
class InMode:
    """What a flow does otherwise while people have declared the mode of that name. What it does not say stays as it is.

    `sampling`: in the place of the flow's. `calls_per_s`: the most that each of its vendors gets, from legacy and us.
    `numbers`: in the place of the flow's numbers of those names.
    """

    mode: str
    sampling: Sampling | None = None
    calls_per_s: float | None = None
    numbers: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_terms(self)
