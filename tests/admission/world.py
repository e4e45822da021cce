"""Virtual time: requests come by chance, are let in or refused, answered or given up, and tried again."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strangler.admission.promises import KEPT
from strangler.admission.slots import TICK_S, ClassSlots
from strangler.admission.work import Clause, Grant, Refusal, Settled, Work
from tests.admission.figures import Figures, OfClass, Owed
from tests.admission.provider import Call, Provider
from tests.admission.rules import Rule


@dataclass(frozen=True, slots=True)
class Clients:
    """How they behave: each waits `patience_s` for an answer, and sends a request again `retries` times at most."""

    patience_s: float = 1.0
    retries: int = 3
    obedient: float = 0.8  # who waits for as long as Retry-After says; the others back off by themselves


@dataclass(frozen=True, slots=True)
class Flow:
    """Requests of a class from one or several tenants, `per_s` in all."""

    rank: int
    per_s: float
    tenants: tuple[str, ...] = ("",)
    counted: int | None = None  # apart from its class
    until: float = float("inf")


@dataclass(slots=True)
class Asked:
    """A request of a client, over all its attempts."""

    rank: int
    tenant: str
    key: str
    obeys: bool
    counted: OfClass
    attempt: int = 0
    promised: bool = False
    work: Work | None = None
    came: float = 0.0
    open: bool = False  # its client waits for this attempt
    grant: Grant | None = None
    call: Call | None = None


class World:
    """`cut_s`: how long a call to the provider may take."""

    def __init__(
        self,
        rule: Rule,
        provider: Callable[[World], Provider],
        flows: Sequence[Flow],
        *,
        seed: int,
        classes: int,
        clients: Clients = Clients(),
        cut_s: float = float("inf"),
        since: float = 0.0,
    ) -> None:
        self.rng = random.Random(seed)
        self.rule, self.flows, self.clients, self.cut_s = rule, flows, clients, cut_s
        self.figures = Figures([OfClass() for _ in range(classes)], since)
        self._calendar: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0
        self._waiting: dict[Work, Asked] = {}
        self._in_flight = 0
        self.provider = provider(self)

    def at(self, when: float, act: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._calendar, (when, self._number, act))

    def run(self, until: float) -> Figures:
        for flow in self.flows:
            self._come_next(flow, 0.0)
        self.at(TICK_S, self._tick)
        while self._calendar and self._calendar[0][0] < until:
            when, _, act = heapq.heappop(self._calendar)
            act(when)
        return self.figures

    def _come_next(self, flow: Flow, now: float) -> None:
        when = now + self.rng.expovariate(flow.per_s)
        if when < flow.until:
            self.at(when, lambda later: self._come(flow, later))

    def _come(self, flow: Flow, now: float) -> None:
        self._come_next(flow, now)
        self._number += 1
        asked = Asked(
            flow.rank,
            self.rng.choice(flow.tenants),
            f"k{self._number}",
            self.rng.random() < self.clients.obedient,
            self.figures.classes[flow.rank if flow.counted is None else flow.counted],
        )
        self.figures.came.append((now, asked.rank, asked.tenant))
        if now >= self.figures.since:
            asked.counted.requests += 1
        self._attempt(asked, now)

    def _attempt(self, asked: Asked, now: float) -> None:
        work = Work(asked.rank, asked.tenant, now + self.clients.patience_s, asked.key)
        asked.work, asked.came, asked.open, asked.grant = work, now, True, None
        self.figures.attempts_at.append(now)
        attempt = asked.attempt
        self.at(now + self.clients.patience_s, lambda later: self._give_up(asked, attempt, later))
        said = self.rule.admit(now, work)
        self.figures.decisions += 1
        match said:
            case Grant():
                self._granted(asked, said, now)
            case Refusal():
                self._refused(asked, said, now)
            case _:
                self._waiting[work] = asked
                if said.instead_of is not None:
                    self._settle([said.instead_of], now)

    def _settle(self, settled: Sequence[Settled], now: float) -> None:
        for work, said in settled:
            asked = self._waiting.pop(work)
            self.figures.decisions += 1
            self.figures.waited_most_s = max(self.figures.waited_most_s, now - asked.came)
            if isinstance(said, Grant):
                self._granted(asked, said, now)
            else:
                self._refused(asked, said, now)

    def _granted(self, asked: Asked, grant: Grant, now: float) -> None:
        self._look_for_inversion(grant)
        asked.grant = grant
        self.figures.classes[asked.rank].grants.append(now)
        self._in_flight += 1
        self.figures.most_in_flight = max(self.figures.most_in_flight, self._in_flight)
        attempt = asked.attempt
        call = Call(lambda later: self._answered(asked, grant, attempt, later))
        asked.call = call
        self.provider.call(now, call)
        if self.cut_s < float("inf"):
            self.at(now + self.cut_s, lambda later: self._cut(grant, call, later))

    def _answered(self, asked: Asked, grant: Grant, attempt: int, now: float) -> None:
        self._in_flight -= 1
        figures = asked.counted
        if asked.open and asked.attempt == attempt and asked.grant is grant:
            asked.open = False
            self.figures.good_at.append(now)
            if now >= self.figures.since:
                figures.good += 1
                figures.attempts += 1
                figures.latencies.append(now - asked.came)
                if asked.promised:
                    figures.returned += 1
                    figures.returned_well += 1
        self._release(grant, now, served=True)

    def _cut(self, grant: Grant, call: Call, now: float) -> None:
        if call.over:
            return
        self._in_flight -= 1
        self.provider.cut(now, call)
        self._release(grant, now, served=False)

    def _release(self, grant: Grant, now: float, *, served: bool) -> None:
        self._settle(self.rule.release(grant, now, served=served), now)

    def _give_up(self, asked: Asked, attempt: int, now: float) -> None:
        if not asked.open or asked.attempt != attempt:
            return
        if asked.work is not None and asked.grant is None and self.rule.leave(asked.work):
            del self._waiting[asked.work]
        self._failed(asked, now)
        self._again(asked, now, None)

    def _refused(self, asked: Asked, refusal: Refusal, now: float) -> None:
        self.figures.refused_at.append(now)
        if refusal.clause is Clause.LAG:
            self.figures.held_at.append(now)
        figures = asked.counted
        self._look_for_lower(asked.rank, refusal, now)
        if now >= self.figures.since and asked.attempt == 0:
            figures.first_refused += 1
        self._failed(asked, now)
        if refusal.retry_after_s is not None and isinstance(self.rule, ClassSlots) and now >= self.figures.since:
            ledger = self.rule.promises[asked.rank]
            before = (ledger.owed - ledger.show_up) / KEPT
            grants = len(self.figures.classes[asked.rank].grants)
            self.figures.classes[asked.rank].promises.append(Owed(now, refusal.retry_after_s, grants, before))
        self._again(asked, now, refusal.retry_after_s)

    def _failed(self, asked: Asked, now: float) -> None:
        asked.open = False
        figures = asked.counted
        if now >= self.figures.since:
            figures.attempts += 1
            figures.bad_attempts += 1
            figures.returned += asked.promised
        asked.promised = False

    def _again(self, asked: Asked, now: float, retry_after_s: int | None) -> None:
        if asked.attempt >= self.clients.retries:
            asked.counted.lost += now >= self.figures.since
            return
        own_s = 0.1 * 2**asked.attempt * self.rng.uniform(0.5, 1.5)
        asked.attempt += 1
        obeys = asked.obeys and retry_after_s is not None
        asked.promised = obeys
        wait_s = float(retry_after_s) if obeys and retry_after_s is not None else own_s
        self.at(now + wait_s, lambda later: self._attempt(asked, later))

    def _tick(self, now: float) -> None:
        self._settle(self.rule.tick(now), now)
        if isinstance(self.rule, ClassSlots):
            limits = self.figures.limits
            if not limits or limits[-1][1] != self.rule.limit:
                limits.append((now, self.rule.limit))
        self.at(now + TICK_S, self._tick)

    def _look_for_inversion(self, grant: Grant) -> None:
        if isinstance(self.rule, ClassSlots) and not grant.by_floor:
            self.figures.inversions += any(queue.waiting for queue in self.rule.queues[: grant.work.rank])

    def _look_for_lower(self, rank: int, refusal: Refusal, now: float) -> None:
        if isinstance(self.rule, ClassSlots) and refusal.clause is Clause.SHARE:
            lower = self.rule.queues[rank + 1 :]
            self.figures.lately += any(queue.above_floor_at >= now - 0.01 for queue in lower)
