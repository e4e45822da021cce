"""What is counted in a run, and the figures of it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import NamedTuple


class Owed(NamedTuple):
    """A promise: `at`, for so many seconds, when the class had got `grants` slots and so many more were owed before."""

    at: float
    said_s: int
    grants: int
    owed: float


@dataclass(slots=True)
class OfClass:
    """One class. Attempts are what the rule saw; a request is good if any of them was answered in time."""

    requests: int = 0
    good: int = 0
    lost: int = 0
    attempts: int = 0
    bad_attempts: int = 0
    first_refused: int = 0
    latencies: list[float] = field(default_factory=list)
    grants: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    promises: list[Owed] = field(default_factory=list)
    returned: int = 0
    returned_well: int = 0

    def error(self, until: float) -> float | None:
        """The median error of Retry-After, against when the class had got the slots that were owed."""
        errors = []
        for one in self.promises:
            reached = one.grants + round(one.owed)
            if one.at + one.said_s * 1.5 > until or reached >= len(self.grants):
                continue
            true_s = max(1.0, self.grants[reached] - one.at)
            errors.append(abs(one.said_s - true_s) / true_s)
        return sorted(errors)[len(errors) // 2] if errors else None


def percentile(values: list[float], share: float) -> float:
    """Of at least one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(slots=True)
class Figures:
    """Of a run, from `since` on; `good_at` and `refused_at` of the whole run."""

    classes: list[OfClass]
    since: float = 0.0
    decisions: int = 0
    inversions: int = 0  # a slot for a lower class while work of a higher one waited
    lately: int = 0  # work refused within 10 ms after a lower class had got a slot above its floor
    came: list[tuple[float, int, str]] = field(default_factory=list)  # each request, its class and tenant
    good_at: list[float] = field(default_factory=list)
    attempts_at: list[float] = field(default_factory=list)
    refused_at: list[float] = field(default_factory=list)
    held_at: list[float] = field(default_factory=list)  # refused because a consumer is behind
    waited_most_s: float = 0.0
    most_in_flight: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)

    def good_per_s(self, begin: float, end: float) -> float:
        return (bisect_left(self.good_at, end) - bisect_left(self.good_at, begin)) / (end - begin)

    def refused_share(self, begin: float, end: float) -> float:
        """Of the attempts."""
        asked = bisect_left(self.attempts_at, end) - bisect_left(self.attempts_at, begin)
        return (bisect_left(self.refused_at, end) - bisect_left(self.refused_at, begin)) / max(1, asked)

    def p99(self, *ranks: int) -> float:
        """Of what was let in, from its arrival to its answer."""
        chosen = [self.classes[rank] for rank in ranks] if ranks else self.classes
        latencies = [each for one in chosen for each in one.latencies]
        return percentile(latencies, 0.99) if latencies else float("inf")
