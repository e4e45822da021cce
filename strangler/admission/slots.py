"""The slots of one process: who gets one at once, who waits, who is refused, and who is next when one comes free.

One caller at a time; nothing here waits, reads a clock or draws a number of its own. Call `tick` every 5 ms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from strangler.admission.class_queue import MOST_CREDIT, ClassQueue
from strangler.admission.drain import Drain
from strangler.admission.found_limit import FoundLimit
from strangler.admission.promises import Promises
from strangler.admission.quotas import Quotas
from strangler.admission.work import Admitted, Clause, Grant, Refusal, Settled, Waits, Work
from strangler.admission.work_class import WorkClass

TICK_S = 0.005
WAIT_OF_SERVICE = 0.8  # of a service time is the longest wait: 1.0 left no room below twice the unloaded p99,
# 0.6 refused over 1 % after an outage had ended
WAIT_OF_RETURNS = 3.5  # times that, for who was told to come back
AGED = 1.25  # times that is what nobody waits for: a starved class never comes to its turn by itself
RESERVE, SMALL = 1, 8  # slots kept for the first class, where there are so many
LATELY_S = 0.0101  # nobody is refused who has seen a lower class served within 10 ms ...
MOST_WAITERS = 200  # ... as long as there is room to wait
ROUNDING = 1e-9  # two slots' time, times slots a second, may be a little less than two
RATE_OVER_S = 2.0
LARGEST = 2**31 - 1
FRESH_CREDIT = 2.0  # what must have been earned for fresh work while returns are owed: else it takes theirs


class ClassSlots:
    """`limit` slots for work of `classes`, the most important first. `draw` gives numbers from 0 up to 1."""

    def __init__(
        self, classes: Sequence[WorkClass], limit: int | FoundLimit, draw: Callable[[], float], now: float
    ) -> None:
        self.limit = limit if isinstance(limit, int) else limit.slots
        self._most = LARGEST if isinstance(limit, FoundLimit) else limit
        self.drain = Drain()
        self.queues = [ClassQueue(one.floor) for one in classes]
        self._found = None if isinstance(limit, int) else limit
        self._quotas = [None if one.quota_per_s is None else Quotas(one.quota_per_s) for one in classes]
        self._classes = tuple(classes)
        self.promises = [Promises(draw, now) for _ in classes]
        self._draw, self._ticked = draw, now

    def redeclare(self, classes: Sequence[WorkClass]) -> None:
        """Other floors, quotas and deadlines from now on, for classes of the same places; what a floor has earned stays
        earned.
        """
        for rank, (one, before) in enumerate(zip(classes, self._classes, strict=True)):
            self.queues[rank].floor = one.floor
            if one.quota_per_s != before.quota_per_s:
                self._quotas[rank] = None if one.quota_per_s is None else Quotas(one.quota_per_s)
        self._classes = tuple(classes)

    def admit(self, now: float, work: Work) -> Admitted:
        """Decided at once for all but what may wait; that hears from a later call."""
        rank, quota = work.rank, self._quotas[work.rank]
        if now >= work.deadline:  # past only: whether it would be late is a guess that free slots need not make
            return Refusal(Clause.DEADLINE)
        if quota is not None:
            if (wait_s := quota.wait_s(work.tenant, now)) > 0:
                return Refusal(Clause.QUOTA, math.ceil(wait_s * (1.0 + 0.25 * self._draw())))
            quota.take(work.tenant, now)
        promised = bool(work.key) and self.promises[rank].redeem(work.key, now)
        queue = self.queues[rank]
        if queue.pace.is_set and not queue.pace.allows(now, queue.waiting + self._needs(rank, promised=promised)):
            return self._refusal(Clause.LAG, work, now)
        if self._fits(rank) and not any(self.queues[above].waiting for above in range(rank + 1)):
            return self._grant(work, now)
        return self._wait_or_refuse(work, now, promised=promised)

    def take(self, now: float, work: Work) -> Grant:
        """A slot for what is not asked: it uses the application all the same."""
        return self._grant(work, now)

    def resize(self, most: int) -> None:
        """No more slots than that from now on; what is in flight comes to its end. A larger number counts from the next
        tick.
        """
        self._most = most
        self.limit = most if self._found is None else min(most, self._found.slots)

    def hold(self, rank: int, per_s: float, now: float, until: float) -> None:
        """Of the class so many a second are let in until then, whatever is free."""
        self.queues[rank].pace.set(per_s, now, until)

    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]:
        """The slot is free; what was decided of those who waited for it."""
        self.drain.end(grant.at, now, grant.allowed_s, served=served)
        self.queues[grant.work.rank].end(grant.work)
        return list(self._pump(now))

    def leave(self, work: Work) -> bool:
        """Its client is gone; whether it still waited."""
        return self.queues[work.rank].remove(work)

    def tick(self, now: float) -> list[Settled]:
        """Time has passed: floors have earned, rates are known, and who has waited too long is told so."""
        seconds, self._ticked = now - self._ticked, now
        if self._found is not None:
            self.limit = min(self._most, self._found.look(now, self.drain, self._most))
        per_s = self.drain.per_s(now, self.limit)
        kept = math.exp(-seconds / RATE_OVER_S)
        settled: list[Settled] = []
        for queue, promises in zip(self.queues, self.promises, strict=True):
            queue.credit = min(MOST_CREDIT, queue.credit + seconds * per_s * queue.floor)
            queue.per_s = queue.per_s * kept + queue.granted / RATE_OVER_S
            promises.served(queue.granted)
            queue.granted = 0
            promises.sweep(now)
            settled += self._expired(queue, now, per_s)
        return [*settled, *self._pump(now)]

    def _fits(self, rank: int) -> bool:
        in_flight = self.drain.in_flight
        if rank == 0:
            return in_flight < self.limit
        first = self.queues[0].in_flight
        return in_flight - first + max(first, RESERVE if self.limit >= SMALL else 0) < self.limit

    def _grant(self, work: Work, now: float, *, by_floor: bool = False) -> Grant:
        self.queues[work.rank].start(work, now)
        allowed_s = self._classes[work.rank].deadline_s
        self.drain.start(now, allowed_s)
        return Grant(work, now, allowed_s, by_floor)

    def _wait_or_refuse(self, work: Work, now: float, *, promised: bool) -> Admitted:
        queue = self.queues[work.rank]
        if queue.floor and queue.credit >= self._needs(work.rank, promised=promised) and not queue.waiting:
            queue.add(work, now, promised=promised)
            return Waits()
        per_s = self.drain.per_s(now, self.limit)
        longest_s = self._longest_s(per_s) * (WAIT_OF_RETURNS if promised else 1.0)
        wait_s = min(longest_s, work.deadline - now - self.drain.service_s)
        above = sum(other.waiting for other in self.queues[: work.rank])
        place = 1 + queue.before(work.tenant, promised=promised)
        too_long = above + place > wait_s * per_s + ROUNDING
        if not promised:
            too_long = too_long or place > wait_s * self._left_per_s(work.rank, per_s)
        if too_long and not self._lower_served_lately(work.rank, now):
            return self._refusal(Clause.SHARE, work, now)
        queue.add(work, now, promised=promised)
        if above + queue.waiting > wait_s * per_s and queue.tenants_waiting > 1:
            return _push_out(queue, work)
        return Waits()

    def _needs(self, rank: int, *, promised: bool) -> float:
        """Of what has been earned for it one by one."""
        return 1.0 if promised or self.promises[rank].owed < 1.0 else FRESH_CREDIT

    def _lower_served_lately(self, rank: int, now: float) -> bool:
        if sum(queue.waiting for queue in self.queues) >= MOST_WAITERS:
            return False
        return any(queue.above_floor_at >= now - LATELY_S for queue in self.queues[rank + 1 :])

    def _longest_s(self, per_s: float) -> float:
        return max(WAIT_OF_SERVICE * self.drain.service_s, 2.0 / per_s)

    def _left_per_s(self, rank: int, per_s: float) -> float:
        """Slots a second that the classes above leave."""
        return per_s - sum(queue.per_s for queue in self.queues[:rank])

    def _expired(self, queue: ClassQueue, now: float, per_s: float) -> Iterator[Settled]:
        """In a stall the longest wait grows with the age of what is in flight; then the deadline ends it."""
        longest_s = AGED * self._longest_s(per_s)
        for work in queue.expired(now, longest_s, WAIT_OF_RETURNS * longest_s) if queue.waiting else ():
            late = work.deadline <= now
            yield Settled(work, Refusal(Clause.DEADLINE) if late else self._refusal(Clause.WAITED, work, now))

    def _refusal(self, clause: Clause, work: Work, now: float) -> Refusal:
        """In a stall fewer slots come free than the classes got lately: by what they got alone, promises were false."""
        queue, free_per_s = self.queues[work.rank], self.drain.per_s(now, self.limit)
        got_per_s = sum(other.per_s for other in self.queues)
        per_s = queue.per_s * min(1.0, free_per_s / got_per_s) if got_per_s else 0.0
        return Refusal(clause, self.promises[work.rank].give(work.key, now, per_s, queue.floor * free_per_s))

    def _pump(self, now: float) -> Iterator[Settled]:
        while (chosen := self._next()) is not None:
            rank, by_floor = chosen
            work = self.queues[rank].take()
            if now >= work.deadline:
                yield Settled(work, Refusal(Clause.DEADLINE))
            else:
                yield Settled(work, self._grant(work, now, by_floor=by_floor))

    def _next(self) -> tuple[int, bool] | None:
        """The lowest class whose floor has earned a slot, else the highest that waits; where there is room for it."""
        if self.drain.in_flight >= self.limit:
            return None
        lowest = len(self.queues) - 1
        for above, queue in enumerate(reversed(self.queues)):
            if queue.floor and queue.waiting and queue.credit >= 1.0 and self._fits(lowest - above):
                return lowest - above, True
        for rank, queue in enumerate(self.queues):
            if queue.waiting and self._fits(rank):
                return rank, False
        return None


def _push_out(queue: ClassQueue, work: Work) -> Admitted:
    """One tenant's flood makes way for another's request. It is promised nothing: it would come back as a flood."""
    out = queue.push_out()
    refusal = Refusal(Clause.TENANT)
    return refusal if out is work else Waits(Settled(out, refusal))
