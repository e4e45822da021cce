"""Lanes whose turn comes: in the order in which they asked, or at a time. Pure; the caller holds the lock."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator

from outbox.consumer.partitions.run import Assigned

Turn = tuple[Assigned, int]  # a lane of an assignment


class Turns:
    """What waits for a worker, and since when; what waits for its time."""

    def __init__(self) -> None:
        self._ready: deque[tuple[Assigned, int, float]] = deque()
        self._later: list[tuple[float, int, Assigned, int]] = []
        self._count = 0

    def ask(self, assigned: Assigned, lanes: Iterable[int], now: float) -> None:
        self._ready.extend((assigned, lane, now) for lane in lanes)

    def ask_at(self, due: float, assigned: Assigned, lane: int) -> None:
        self._count += 1  # breaks ties: assignments have no order
        heapq.heappush(self._later, (due, self._count, assigned, lane))

    def next(self, now: float) -> Turn | None:
        """Whose turn it is."""
        while self._later and self._later[0][0] <= now:
            due, _, assigned, lane = heapq.heappop(self._later)
            self._ready.append((assigned, lane, due))
        if not self._ready:
            return None
        assigned, lane, _ = self._ready.popleft()
        return assigned, lane

    def is_one_due(self, now: float) -> bool:
        return bool(self._ready) or (bool(self._later) and self._later[0][0] <= now)

    def until(self, deadline: float) -> float:
        """The time at which the next one is due, `deadline` at most."""
        return min(deadline, self._later[0][0]) if self._later else deadline

    def waiting(self, now: float) -> Iterator[tuple[Assigned, int, float]]:
        """Lanes that wait for a worker, and for how many seconds."""
        return ((assigned, lane, now - since) for assigned, lane, since in self._ready)
