"""The work of one class: what waits, by tenant, and whose work is in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from strangler.admission.pace import Pace
from strangler.admission.work import Work

MOST_CREDIT = 3.0


class Waiter(NamedTuple):
    """Work that waits since then."""

    work: Work
    since: float


class TenantLine:
    """A tenant's waiting work of a class: who was told to come back goes first, else who came first."""

    __slots__ = ("fresh", "returning")

    def __init__(self) -> None:
        self.returning: deque[Waiter] = deque()
        self.fresh: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self.returning) + len(self.fresh)

    def first(self) -> Waiter:
        return (self.returning or self.fresh).popleft()

    def last(self) -> Waiter:
        return (self.fresh or self.returning).pop()


class ClassQueue:
    """One class at one moment. `credit`: slots that its floor has earned it and that it has not had yet."""

    def __init__(self, floor: float) -> None:
        self.floor = floor
        self.credit = 0.0
        self.waiting = 0
        self.in_flight = 0
        self.granted = 0  # since the last tick
        self.per_s = 0.0  # slots that it has got, over the last two seconds
        self.above_floor_at = float("-inf")  # when it last got one that its floor had not earned
        self.pace = Pace()
        self._lines: dict[str, TenantLine] = {}
        self._in_flight: dict[str, int] = {}

    @property
    def tenants_waiting(self) -> int:
        return len(self._lines)

    def before(self, tenant: str, *, promised: bool) -> int:
        """How many go first when one more of the tenant comes: slots go around, to who holds the fewest."""
        line = self._lines.get(tenant)
        mine = 0 if line is None else len(line.returning if promised else line)
        others = sum(min(len(other), mine + 1) for other in self._lines.values() if other is not line)
        return mine + others

    def add(self, work: Work, now: float, *, promised: bool) -> None:
        line = self._lines.setdefault(work.tenant, TenantLine())
        (line.returning if promised else line.fresh).append(Waiter(work, now))
        self.waiting += 1

    def take(self) -> Work:
        """Of the tenant with the fewest in flight; of those, of the one that came first."""
        tenant = min(self._lines, key=lambda one: self._in_flight.get(one, 0))
        return self._taken(tenant, self._lines[tenant].first())

    def push_out(self) -> Work:
        """The last of the tenant with the most."""
        tenant = max(self._lines, key=lambda one: len(self._lines[one]))
        return self._taken(tenant, self._lines[tenant].last())

    def remove(self, work: Work) -> bool:
        """Whether it waited."""
        line = self._lines.get(work.tenant)
        for queue in () if line is None else (line.returning, line.fresh):
            for waiter in queue:
                if waiter.work is work:
                    queue.remove(waiter)
                    self._taken(work.tenant, waiter)
                    return True
        return False

    def expired(self, now: float, longest_s: float, longest_of_returns_s: float) -> Iterator[Work]:
        """Takes out all that is past its deadline, or has waited longer than that."""
        for tenant, line in list(self._lines.items()):
            for queue, longest in ((line.returning, longest_of_returns_s), (line.fresh, longest_s)):
                while queue and (queue[0].since < now - longest or queue[0].work.deadline <= now):
                    yield self._taken(tenant, queue.popleft())

    def start(self, work: Work, now: float) -> None:
        if self.credit < 1.0:
            self.above_floor_at = now
        self.credit = max(0.0, self.credit - 1.0)
        self.pace.took_one(now)
        self.granted += 1
        self.in_flight += 1
        self._in_flight[work.tenant] = self._in_flight.get(work.tenant, 0) + 1

    def end(self, work: Work) -> None:
        self.in_flight -= 1
        left = self._in_flight[work.tenant] - 1
        if left:
            self._in_flight[work.tenant] = left
        else:
            del self._in_flight[work.tenant]

    def _taken(self, tenant: str, waiter: Waiter) -> Work:
        self.waiting -= 1
        if not self._lines[tenant]:
            del self._lines[tenant]
        return waiter.work
