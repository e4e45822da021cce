"""Requests that want a slot of the plan's admission: let in, told to wait, or refused before their body is read."""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from outbox.consumer.lag.backlog import Backlog
from strangler.admission.declared import Admission, FoundSlots
from strangler.admission.degrading import Degrading
from strangler.admission.found_limit import FoundLimit
from strangler.admission.lag_holds import BELIEVED_S, LagHeard, LagHolds
from strangler.admission.lease import Lease
from strangler.admission.slots import TICK_S, ClassSlots
from strangler.admission.work import Clause, Grant, Refusal, Settled, Waits, Work
from strangler.admission.work_class import WorkClass
from strangler.facade.caller import ANONYMOUS_SCOPE, UNKNOWN_SCOPE, scope_of
from strangler.facade.client_link import ClientLink
from strangler.facade.followed import Followed
from strangler.facade.measures import Measures
from strangler.facade.message import Headers, Request, Response, values
from strangler.facade.overrides import meanings
from strangler.facade.problem import NO_ROOM, OVER_QUOTA
from strangler.routes import Callers, listed

logger = logging.getLogger(__name__)

SHARES = 10_000
SAY_EVERY_S = 1.0  # a log must not grow with what is refused
TOO_MANY, SERVER_ERROR = 429, 500


@dataclass(frozen=True, slots=True)
class EntranceSettings:
    """Of one worker. `share_bp` of the requests are asked, the others are let in and counted. `callers`: who a tenant
    is; where nobody can be identified, an address is one.
    """

    admission: Admission
    share_bp: int = SHARES
    callers: Callers = ()


class Entrance:
    """One loop's. Until it is told of its part of the slots (`resize`) it has none. `rank_of` method, path and fields
    is a request's class; fields only lower it.
    """

    def __init__(
        self,
        settings: EntranceSettings,
        rank_of: Callable[[str, str, Headers], int],
        loop: asyncio.AbstractEventLoop,
        measures: Measures,
    ) -> None:
        self._classes, self._share_bp = settings.admission.classes, settings.share_bp
        self._callers = [one for one in listed(settings.callers) if isinstance(one, str)]  # a function may block
        self._rank_of, self._loop, self._measures = rank_of, loop, measures
        draw = random.Random().random  # noqa: S311 - it spreads returns
        self._slots = ClassSlots(self._classes, _limit(settings, loop.time()), draw, loop.time())
        self._lease: Lease | None = None
        self._total = settings.admission.most_slots
        self._holds, self._part = LagHolds(self._classes), 0.0
        self._degrading = Degrading()
        self._told_slots, self._came, self._looked_at = 0, 0, loop.time()
        self._tell_slots()
        self._waiting: dict[Work, asyncio.Future[Grant | Refusal]] = {}
        self._ticking = False
        self._refused: Counter[tuple[str, Clause]] = Counter()
        self._said_at = loop.time()

    def redeclare(self, classes: Sequence[WorkClass]) -> None:
        """These, of the same names and places, from now on; on the loop. Who waits, or has a slot, keeps it."""
        self._classes = tuple(classes)
        self._slots.redeclare(classes)

    async def through(
        self, request: Request, client: ClientLink, answering: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """The answer of what is let in, which holds its slot until it has come to its end; or why it is not.

        A body that is not whole by the deadline ends it: a few that trickle would hold all slots.
        """
        said = await self._asked(self._work(request))
        if isinstance(said, Response):
            return said
        client.body_by = said.work.deadline
        try:
            answer = await answering(self._costing(request, said.work))
        except BaseException:
            self._leave(said, served=False)
            raise
        if isinstance(answer.body, bytes):
            self._leave(said, served=_is_served(answer))
            return answer
        return replace(answer, body=Followed(answer.body, lambda _: self._leave(said, served=_is_served(answer))))

    def _costing(self, request: Request, work: Work) -> Request:
        """The request with what the application may leave out of it now."""
        slots, now = self._slots, self._loop.time()
        full = slots.drain.in_flight >= slots.limit or slots.queues[work.rank].pace.holds(now) or bool(self._waiting)
        one = self._classes[work.rank]
        if not self._degrading.let_in(now, full=full) or not one.degrade:
            return request
        self._measures.degraded(one.name)
        return replace(request, degrade=one.degrade)

    def demand(self) -> tuple[int, float]:
        """Slots in use, and how many it could use: these, and half of those that what comes in would. Any thread's."""
        now, drain, came = self._loop.time(), self._slots.drain, self._came
        per_s, self._came, self._looked_at = came / max(now - self._looked_at, 1e-3), 0, now
        return drain.in_flight, drain.in_flight + 0.5 * per_s * drain.service_s

    def resize(self, lease: Lease) -> None:
        """Its part of the slots may have changed. Called on the loop, and often: a part is given up by time alone."""
        self._lease = lease
        self._keep_to_lease(self._loop.time())
        self._tick_soon()

    def _keep_to_lease(self, now: float) -> None:
        if self._lease is not None:
            limit = self._lease.limit(now)
            self._part = limit / self._total
            self._slots.resize(limit)
            self._tell_slots()

    def heard(self, context: str, backlog: Backlog) -> None:
        """What a context has still to do whose lag is promised. Called on the loop."""
        now = self._loop.time()
        got_per_s = [queue.per_s for queue in self._slots.queues]
        holds = self._holds.heard(LagHeard(context, now, backlog.waiting, backlog.done), got_per_s, self._part)
        for rank, per_s in holds.items():
            self._slots.hold(rank, per_s, now, now + BELIEVED_S)

    def _work(self, request: Request) -> Work:
        """Known again by its key, else by what it asks for: a promise is its tenant's."""
        meant = meanings(request.method, request.target, request.headers)
        rank = len(self._classes) - 1 if meant is None else max(self._rank_of(*each, request.headers) for each in meant)
        scope = scope_of(self._callers, request.headers, "")
        named = isinstance(scope, str) and scope not in (ANONYMOUS_SCOPE, UNKNOWN_SCOPE)
        tenant = str(scope) if named else request.peer
        asked = "".join(values(request.headers, "idempotency-key")) or f"{request.method} {request.target}"
        return Work(rank, tenant, self._loop.time() + self._classes[rank].deadline_s, f"{tenant} {asked}")

    async def _asked(self, work: Work) -> Grant | Response:
        now = self._loop.time()
        self._came += 1
        if zlib.crc32(work.key.encode()) % SHARES >= self._share_bp:
            said: Grant | Refusal | Waits = self._slots.take(now, work)
        else:
            said = self._slots.admit(now, work)
        self._tick_soon()
        if isinstance(said, Waits):
            self._settle([] if said.instead_of is None else [said.instead_of])
            said = await self._turn(work)
        name = self._classes[work.rank].name
        self._measures.admitted(name, "granted" if isinstance(said, Grant) else said.clause.value)
        return said if isinstance(said, Grant) else self._refusal(name, said)

    async def _turn(self, work: Work) -> Grant | Refusal:
        future: asyncio.Future[Grant | Refusal] = self._loop.create_future()
        self._waiting[work] = future
        try:
            return await future
        except asyncio.CancelledError:
            self._measures.admitted(self._classes[work.rank].name, "left")
            if self._waiting.pop(work, None) is not None:
                self._slots.leave(work)
            elif not future.cancelled() and isinstance(said := future.result(), Grant):
                self._leave(said, served=False)
            raise

    def _settle(self, settled: Sequence[Settled]) -> None:
        for work, said in settled:
            future = self._waiting.pop(work)
            if not future.done():
                future.set_result(said)
            elif isinstance(said, Grant):  # its client has left in this turn of the loop
                self._leave(said, served=False)

    def _leave(self, grant: Grant, *, served: bool) -> None:
        self._settle(self._slots.release(grant, self._loop.time(), served=served))

    def _refusal(self, name: str, said: Refusal) -> Response:
        self._refused[name, said.clause] += 1
        problem = OVER_QUOTA if said.clause is Clause.QUOTA else NO_ROOM
        clause = f"admission:{name}.{said.clause}"
        return replace(problem, clause=clause, retry_after_s=said.retry_after_s).to_answer(name)

    def _tell_slots(self) -> None:
        if self._slots.limit != self._told_slots:
            self._measures.level(self._slots.limit - self._told_slots, "facade_admission_slots")
            self._told_slots = self._slots.limit

    def _tick_soon(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        """Only while there is something to look after."""
        self._ticking = False
        now = self._loop.time()
        self._keep_to_lease(now)
        self._settle(self._slots.tick(now))
        self._tell_slots()
        if self._refused and now - self._said_at >= SAY_EVERY_S:
            for (name, clause), count in self._refused.items():
                logger.warning("work_refused", extra={"work": name, "clause": clause.value, "requests": count})
            self._refused.clear()
            self._said_at = now
        if self._waiting or self._refused or self._slots.drain.in_flight:
            self._tick_soon()


def _limit(settings: EntranceSettings, now: float) -> int | FoundLimit:
    slots = settings.admission.slots
    if isinstance(slots, FoundSlots):
        return FoundLimit(slots.most, now, start=slots.start)
    return 0


def _is_served(answer: Response) -> bool:
    """By the application: what the facade says in its place tells nothing of how long service takes, nor does what is
    refused because there is too much of it.
    """
    return not answer.cause and answer.status < SERVER_ERROR and answer.status != TOO_MANY
