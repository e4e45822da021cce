"""The slots of an application shared by several workers of several facades: each holds a part of them, for a while.

Nothing is written here: who calls `exchange` has read the others' parts under a lock, writes what it is given before
that lock is free, and says that it is `written`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EVERY_S = 0.5  # between two exchanges
EXPIRES_S = 2.0  # after the last one a part is anybody's, by the database's clock ...
GIVEN_UP_S = 1.5  # ... so its worker gives it up before, by its own


@dataclass(frozen=True, slots=True)
class SlotPart:
    """A worker's part: so many slots are nobody else's. `demand`: as many as it could use."""

    worker: str
    slots: int
    demand: float


@dataclass(frozen=True, slots=True)
class Renewal:
    """What is to be written, and what follows from it. `excess`: slots that all hold beyond the total."""

    held: SlotPart
    limit: int
    at: float
    workers: int
    excess: int


class Lease:
    """Of one worker, of `total` slots. `limit` is 0 until the first exchange, or until one has failed."""

    def __init__(self, worker: str, total: int, workers: int) -> None:
        self._worker, self._total, self._known = worker, total, workers
        self._limit = 0
        self._renewed_at = -math.inf
        self._begun = False

    def limit(self, now: float) -> int:
        """As many as may be in use. Without an exchange for too long, no more than an even part of them."""
        if self.stands(now):
            return self._limit
        even = max(1, self._total // self._known) if self._begun else 0
        return even if self._renewed_at == -math.inf else min(self._limit, even)

    def stands(self, now: float) -> bool:
        """Whether the part is still this worker's alone."""
        return now - self._renewed_at < GIVEN_UP_S

    def failed(self) -> None:
        """There was no exchange: of one that never had one, an even part is the best that it knows."""
        self._begun = True

    def exchange(self, now: float, others: Sequence[SlotPart], in_flight: int, demand: float) -> Renewal:
        """`now`: when it began. Lowered at once, and given to the others at the next exchange, when no more is in use.
        Raised only by what nobody holds, and once that is written.
        """
        before, self._begun = self.limit(now), True
        taken = sum(one.slots for one in others)
        free = max(0, self._total - taken)
        demands = {one.worker: one.demand for one in others} | {self._worker: demand}
        # With fewer slots than workers one each passes the total, and is told: who had none would refuse everything.
        least = 1 if len(demands) > self._total else 0
        limit = max(least, min(parts(self._total, demands)[self._worker], free))
        self._limit = min(self._limit, limit)
        held = max(least, min(max(limit, before, in_flight), free))
        excess = max(0, taken + held - self._total)
        return Renewal(SlotPart(self._worker, held, demand), limit, now, len(demands), excess)

    def written(self, exchange: Renewal) -> None:
        """Its limit is that from now on."""
        self._limit, self._known, self._renewed_at = exchange.limit, exchange.workers, exchange.at


def parts(total: int, demands: Mapping[str, float]) -> dict[str, int]:
    """Whole slots for each: who asks for little has that, the others have even parts of the rest, and what nobody asks
    for is spread evenly too. At least one each, if there are so many. The same for all who reckon it.

    >>> parts(20, {"a": 2.0, "b": 50.0, "c": 50.0})
    {'a': 2, 'b': 9, 'c': 9}
    >>> parts(20, {"a": 2.0, "b": 4.0})
    {'a': 9, 'b': 11}
    """
    wanted = {one: max(1.0, demands[one]) for one in sorted(demands)}
    exact, left, open_ = dict.fromkeys(wanted, 0.0), float(total), len(wanted)
    for one in sorted(wanted, key=lambda each: wanted[each]):
        exact[one] = min(wanted[one], left / open_)
        left, open_ = left - exact[one], open_ - 1
    exact = {one: part + left / len(wanted) for one, part in exact.items()}
    whole = {one: math.floor(part + 1e-9) for one, part in exact.items()}
    by_rest = sorted(wanted, key=lambda one: (whole[one] > 0, whole[one] - exact[one], one))
    for one in by_rest[: total - sum(whole.values())]:
        whole[one] += 1
    return whole
