"""Several workers in front of one provider, each with its own classes and queues, that share its slots by leases."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from strangler.admission.lease import EVERY_S, EXPIRES_S, Lease, SlotPart
from strangler.admission.slots import ClassSlots
from strangler.admission.work import Admitted, Grant, Settled, Work


@dataclass(slots=True)
class Worker:
    """`weight`: of the requests that come to it. A dead one is asked nothing any more, and says nothing."""

    slots: ClassSlots
    lease: Lease
    weight: float
    next_at: float
    asked: int = 0
    alive: bool = True


@dataclass(slots=True)
class Workers:
    """As one rule. `rows`: what each has written, and when."""

    workers: Sequence[Worker]
    rng: random.Random
    total: int
    rows: dict[str, tuple[SlotPart, float]] = field(default_factory=dict)
    most_in_flight: int = 0
    most_held: int = 0
    whole_again_at: float | None = None  # when those that live held all slots, after a death
    died_at: float | None = None
    reached: bool = True  # the table
    _of: dict[Work, Worker] = field(default_factory=dict)

    def admit(self, now: float, work: Work) -> Admitted:
        lives = [one for one in self.workers if one.alive]
        worker = self.rng.choices(lives, [one.weight for one in lives])[0]
        worker.asked += 1
        self._of[work] = worker
        said = worker.slots.admit(now, work)
        self._count()
        return said

    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]:
        worker = self._of[grant.work]
        settled = worker.slots.release(grant, now, served=served) if worker.alive else []
        self._count()
        return settled

    def leave(self, work: Work) -> bool:
        worker = self._of[work]
        return worker.slots.leave(work) or not worker.alive

    def tick(self, now: float) -> list[Settled]:
        settled = list[Settled]()
        for one in self.workers:
            if one.alive:
                if now >= one.next_at and self.reached:
                    self._exchange(one, now)
                    one.next_at = now + EVERY_S
                one.slots.resize(one.lease.limit(now))
                settled += one.slots.tick(now)
        self._count()
        return settled

    def kill(self, number: int, now: float) -> None:
        self.workers[number].alive = False
        self.died_at = now

    def _exchange(self, one: Worker, now: float) -> None:
        self.rows = {name: row for name, row in self.rows.items() if row[1] > now - EXPIRES_S}
        name = f"w{self.workers.index(one)}"
        others = [held for other, (held, _) in self.rows.items() if other != name]
        offered_per_s = one.asked / EVERY_S
        demand = one.slots.drain.in_flight + 0.5 * offered_per_s * one.slots.drain.service_s
        one.asked = 0
        exchange = one.lease.exchange(now, others, one.slots.drain.in_flight, demand)
        self.rows[name] = exchange.held, now
        one.lease.written(exchange)
        self.most_held = max(self.most_held, sum(held.slots for held, _ in self.rows.values()))
        whole = sum(each.lease.limit(now) for each in self.workers if each.alive) == self.total
        if self.died_at is not None and self.whole_again_at is None and whole:
            self.whole_again_at = now

    def _count(self) -> None:
        in_flight = sum(one.slots.drain.in_flight for one in self.workers if one.alive)
        self.most_in_flight = max(self.most_in_flight, in_flight)
