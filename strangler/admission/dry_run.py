"""What a plan's admission would have done with requests that came: a copy of it in virtual time."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from strangler.admission.slots import TICK_S, ClassSlots
from strangler.admission.work import Clause, Grant, Refusal, Settled, Work
from strangler.admission.work_class import WorkClass


@dataclass(frozen=True, slots=True)
class Arrival:
    """A first attempt, `at` in seconds, that the application works on for `service_s`."""

    at: float
    rank: int
    tenant: str
    service_s: float


@dataclass(frozen=True, slots=True)
class Assumed:
    """How the refused behave: a share waits for as long as Retry-After says, the others back off by themselves."""

    obedient: float = 0.8
    retries: int = 3
    back_off_s: float = 0.1  # doubled each time, +-50 %


@dataclass(slots=True)
class ClassFound:
    """Of one class: first attempts, those refused and by what, requests that no attempt brought through."""

    name: str
    requests: int = 0
    refused: Counter[Clause] = field(default_factory=Counter)
    promised: int = 0
    lost: int = 0


@dataclass(slots=True, eq=False)
class _Tried:
    arrival: Arrival
    key: str
    obeys: bool
    attempt: int = 0


def dry_run(
    classes: Sequence[WorkClass], slots: int, arrivals: Sequence[Arrival], assumed: Assumed, rng: random.Random
) -> list[ClassFound]:
    """`arrivals` in the order of their times."""
    return _DryRun(classes, slots, assumed, rng).run(arrivals)


class _DryRun:
    def __init__(self, classes: Sequence[WorkClass], slots: int, assumed: Assumed, rng: random.Random) -> None:
        self._rng = rng
        self._classes, self._assumed = classes, assumed
        self._slots = slots
        self._found = [ClassFound(one.name) for one in classes]
        self._calendar: list[tuple[float, int, _Tried | Grant | None]] = []
        self._number = 0
        self._waiting: dict[Work, _Tried] = {}
        self._ticks = False

    def run(self, arrivals: Sequence[Arrival]) -> list[ClassFound]:
        if not arrivals:
            return self._found
        core = ClassSlots(self._classes, self._slots, self._rng.random, arrivals[0].at)
        ahead = 0
        while self._calendar or ahead < len(arrivals):
            if not self._calendar or (ahead < len(arrivals) and arrivals[ahead].at <= self._calendar[0][0]):
                tried = _Tried(arrivals[ahead], f"{ahead}", self._rng.random() < self._assumed.obedient)
                self._found[tried.arrival.rank].requests += 1
                ahead += 1
                self._attempt(core, tried, tried.arrival.at)
                continue
            now, _, what = heapq.heappop(self._calendar)
            match what:
                case _Tried():
                    self._attempt(core, what, now)
                case Grant():
                    self._settle(core.release(what, now, served=True), now)
                case None:
                    self._ticks = False
                    self._settle(core.tick(now), now)
            self._tick_soon(core, now)
        return self._found

    def _tick_soon(self, core: ClassSlots, now: float) -> None:
        """Only while there is something to tick for: a log has nights."""
        if not self._ticks and (self._waiting or core.drain.in_flight):
            self._ticks = True
            self._at(now + TICK_S, None)

    def _at(self, when: float, what: _Tried | Grant | None) -> None:
        self._number += 1
        heapq.heappush(self._calendar, (when, self._number, what))

    def _attempt(self, core: ClassSlots, tried: _Tried, now: float) -> None:
        arrival = tried.arrival
        work = Work(arrival.rank, arrival.tenant, now + self._classes[arrival.rank].deadline_s, tried.key)
        said = core.admit(now, work)
        if isinstance(said, Grant | Refusal):
            self._decided(tried, said, now)
        else:
            self._waiting[work] = tried
            if said.instead_of is not None:
                self._settle([said.instead_of], now)
        self._tick_soon(core, now)

    def _settle(self, settled: Sequence[Settled], now: float) -> None:
        for work, said in settled:
            self._decided(self._waiting.pop(work), said, now)

    def _decided(self, tried: _Tried, said: Grant | Refusal, now: float) -> None:
        if isinstance(said, Grant):
            self._at(now + tried.arrival.service_s, said)
            return
        found = self._found[tried.arrival.rank]
        if tried.attempt == 0:
            found.refused[said.clause] += 1
            found.promised += said.retry_after_s is not None
        if tried.attempt >= self._assumed.retries:
            found.lost += 1
            return
        wait_s = self._assumed.back_off_s * 2.0**tried.attempt * self._rng.uniform(0.5, 1.5)
        if said.retry_after_s is not None and tried.obeys:
            wait_s = float(said.retry_after_s)
        tried.attempt += 1
        self._at(now + wait_s, tried)
