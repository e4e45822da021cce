"""What may stand in front of the provider: our slots, and the rules that they are held against."""

# ruff: noqa: ARG002 - a rule need not use all that it is told
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from strangler.admission.slots import ClassSlots
from strangler.admission.work import Admitted, Clause, Grant, Refusal, Settled, Waits, Work


class Rule(Protocol):
    """As `ClassSlots`."""

    def admit(self, now: float, work: Work) -> Admitted: ...
    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]: ...
    def leave(self, work: Work) -> bool: ...
    def tick(self, now: float) -> list[Settled]: ...


class Everybody:
    """No admission: what comes is let in."""

    def admit(self, now: float, work: Work) -> Admitted:
        return Grant(work, now)

    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]:
        return []

    def leave(self, work: Work) -> bool:
        return False

    def tick(self, now: float) -> list[Settled]:
        return []


@dataclass(slots=True)
class FixedLimit(Everybody):
    """So many at once, whoever comes; the rest is refused."""

    limit: int = 20
    in_flight: int = 0

    def admit(self, now: float, work: Work) -> Admitted:
        if self.in_flight >= self.limit:
            return Refusal(Clause.SHARE)
        self.in_flight += 1
        return Grant(work, now)

    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]:
        self.in_flight -= 1
        return []


@dataclass(slots=True)
class QueueTime:
    """First come, first served in front of `limit` slots. A class whose waits have been above its target for 100 ms is
    refused what has waited longer than the target (CoDel's interval, without its law); the top class has four times
    the target. Before that a share of a class is refused by how much slower than its best the provider answers.
    Ported from a description, not from a source.
    """

    draw: Callable[[], float]
    limit: int = 20
    in_flight: int = 0
    target_s: float = 0.005
    above_since: dict[int, float] = field(default_factory=dict)
    waiting: deque[tuple[Work, float]] = field(default_factory=deque)
    best_s: float = float("inf")
    mean_s: float = 0.0

    def admit(self, now: float, work: Work) -> Admitted:
        if self.draw() < self._stressed(work.rank):
            return Refusal(Clause.SHARE, 5)
        if self.in_flight < self.limit and not self.waiting:
            return self._grant(work, now)
        if len(self.waiting) >= 1_000:
            return Refusal(Clause.SHARE, 10)
        self.waiting.append((work, now))
        return Waits()

    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]:
        self.in_flight -= 1
        if served:
            took = now - grant.at
            self.mean_s += 0.03 * (took - self.mean_s) if self.mean_s else took
            self.best_s = min(self.best_s, self.mean_s)
        settled: list[Settled] = []
        while self.waiting and self.in_flight < self.limit:
            work, since = self.waiting.popleft()
            if self._too_long(work.rank, now, now - since):
                settled.append(Settled(work, Refusal(Clause.WAITED, 1)))
            else:
                settled.append(Settled(work, self._grant(work, now)))
        return settled

    def leave(self, work: Work) -> bool:
        left = [one for one in self.waiting if one[0] is not work]
        gone = len(left) < len(self.waiting)
        self.waiting = deque(left)
        return gone

    def tick(self, now: float) -> list[Settled]:
        return []

    def _grant(self, work: Work, now: float) -> Grant:
        self.in_flight += 1
        return Grant(work, now)

    def _too_long(self, rank: int, now: float, waited_s: float) -> bool:
        target_s = self.target_s * (4 if rank == 0 else 1)
        if waited_s <= target_s:
            self.above_since.pop(rank, None)
            return False
        return now - self.above_since.setdefault(rank, now) >= 0.1

    def _stressed(self, rank: int) -> float:
        """The lowest classes first: a class is touched once those below it are refused altogether."""
        slower = self.mean_s / self.best_s if self.best_s < float("inf") else 1.0
        share = 0.8 if slower >= 6.0 else 0.5 if slower >= 3.0 else 0.2 if slower >= 2.0 else 0.0
        return share if rank > 0 else 0.0


_OURS: type[Rule] = ClassSlots  # a rule as well
