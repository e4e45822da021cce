"""Reads asked again of the application that is to take them over, and compared: a process beside the workers.

Clients share nothing with it but the machine: a candidate that hangs holds its reads here, and what does not fit is
dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from strangler.facade.exchange import Broke, NotSent
from strangler.facade.headers import without
from strangler.facade.loop_upstream import LoopUpstream
from strangler.facade.measures import Measures
from strangler.facade.message import Headers, Outgoing
from strangler.facade.read_copy import BODY_BYTES, MESSAGE_BYTES, ReadCopy
from strangler.facade.read_tee import MARKER
from strangler.facade.read_ways import CREDENTIALS, Record, why_of
from strangler.reads.account import DIFFERS_AT, MOST_PLACES, NOISE_AT, OTHER_PLACES, ReadOutcome, Why
from strangler.reads.canonical import (
    BODY,
    ROOT,
    STATUS,
    ReadAnswer,
    StillCoded,
    TooManyPlaces,
    places,
    shape,
    spoken_place,
    uncoded,
)
from strangler.reads.compare import Noise, Places, of_two_kinds, unexplained
from strangler.reads.declared import ReadRoute

logger = logging.getLogger(__name__)

AT_ONCE = 16  # reads under way
MOST_WAITING = 1_000
MOST_BYTES = 16 * 1024 * 1024  # of what waits and is under way
OLD_S = 5.0  # what has waited longer is compared with a past that legacy may have left
Ended: TypeAlias = tuple[ReadOutcome, Why | None]
SAID_EACH = 3  # differences at one place that are all said; later ones at powers of two


class ShadowReads:
    """One loop's. Bounded in reads and bytes; every copy that comes in ends in one outcome."""

    def __init__(
        self,
        reads: Sequence[ReadRoute],
        legacy: LoopUpstream,
        candidates: Mapping[str, LoopUpstream],
        *,
        record: Record,
        measures: Measures,
        secret: Collection[str] = (),
        at_once: int = AT_ONCE,
    ) -> None:
        self._reads = {read.name: read for read in reads}
        self._legacy, self._candidates, self._record, self._measures = legacy, candidates, record, measures
        self._secret, self._at_once = CREDENTIALS | set(secret), at_once
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, ReadCopy]] = deque()
        self._bytes = 0
        self._under_way: set[asyncio.Task[Ended]] = set()
        self._noise: dict[tuple[str, int], Noise] = {}
        self._places: dict[tuple[str, int], dict[str, int]] = {}
        self._stopped = False

    async def serve(self, receiving: socket.socket, told: asyncio.Event) -> None:
        """Until all who hand over have closed their end. Once `told` to stop, what is here and comes is dropped."""
        ended = self._loop.create_future()
        self._loop.add_reader(receiving, self._receive, receiving, ended)
        stopping = self._loop.create_task(told.wait())
        stopping.add_done_callback(lambda _: self._stop())
        try:
            await ended
        finally:
            self._loop.remove_reader(receiving)
            stopping.cancel()
            self._stop()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _receive(self, receiving: socket.socket, ended: asyncio.Future[None]) -> None:
        for _ in range(AT_ONCE):  # then whoever else waits for the loop
            try:
                message = receiving.recv(MESSAGE_BYTES)
            except BlockingIOError:
                return
            if not message:
                self._loop.remove_reader(receiving)
                ended.set_result(None)
                return
            self._take(ReadCopy.unpacked(message))  # a worker hands over none that is cut

    def _take(self, copy: ReadCopy) -> None:
        if self._stopped:
            self._count(copy, ReadOutcome.DROPPED, Why.STOPPED)
        elif len(self._waiting) >= MOST_WAITING or self._bytes + copy.weight > MOST_BYTES:
            self._count(copy, ReadOutcome.DROPPED, Why.QUEUE_FULL)
        else:
            self._bytes += copy.weight
            self._waiting.append((self._loop.time(), copy))
            self._begin()

    def _begin(self) -> None:
        while self._waiting and len(self._under_way) < self._at_once:
            since, copy = self._waiting.popleft()
            if self._loop.time() - since > OLD_S:
                self._end(copy, ReadOutcome.DROPPED, Why.TOO_OLD)
                continue
            task = self._loop.create_task(self._compared(copy))
            self._under_way.add(task)
            task.add_done_callback(partial(self._ended, copy))

    def _ended(self, copy: ReadCopy, task: asyncio.Task[Ended]) -> None:
        """Also of one that was given up before it had begun."""
        self._under_way.discard(task)
        self._end(copy, *((ReadOutcome.DROPPED, Why.STOPPED) if task.cancelled() else task.result()))
        self._begin()

    def _stop(self) -> None:
        self._stopped = True
        while self._waiting:
            self._end(self._waiting.popleft()[1], ReadOutcome.DROPPED, Why.STOPPED)
        for task in self._under_way:
            task.cancel()

    async def _compared(self, copy: ReadCopy) -> Ended:
        try:
            return await self._outcome(copy)
        except Exception as error:  # the task's edge: a mistake of ours must not end the process, nor go uncounted
            why = why_of(error) if isinstance(error, NotSent | Broke) else _WHY.get(type(error), Why.ERROR)
            if why is Why.ERROR:
                logger.exception("read_not_compared", extra={"read": copy.read})
            return ReadOutcome.FAILED, why

    async def _outcome(self, copy: ReadCopy) -> Ended:
        read, noise = self._reads[copy.read], self._noise.setdefault((copy.read, copy.epoch), Noise())
        first = self._placed(read, ReadAnswer(copy.status, copy.fields, copy.body))
        fields = copy.sent if read.credentials else without(copy.sent, self._secret)
        candidate = self._placed(read, await self._ask(self._candidates[read.name], read, copy.target, fields))
        found = self._wanted(read, noise, unexplained(candidate, first, None))
        if noise.learning or found:
            again = await self._again(read, copy)
            second = None if again is None else self._placed(read, again)
            for place in noise.learn(first, second):
                self._record.count(copy.read, copy.epoch, NOISE_AT, place)
                logger.info("noise_learned", extra={"read": read.name, "place": place})
            if found and (second is None or of_two_kinds(candidate, first, second)):
                return ReadOutcome.FAILED, Why.UNJUDGED
            found = self._wanted(read, noise, unexplained(candidate, first, second))
        if not found and self._is_all_noise(read, noise, first):
            return ReadOutcome.FAILED, Why.UNJUDGED
        found = [STATUS] if STATUS in found else found  # then the rest is of another kind of answer
        for place in dict.fromkeys(spoken_place(one) for one in found):
            self._differs(copy, place, found, first, candidate)
        return (ReadOutcome.DIFFERENT if found else ReadOutcome.SAME), None

    async def _again(self, read: ReadRoute, copy: ReadCopy) -> ReadAnswer | None:
        try:
            answer = await self._ask(self._legacy, read, copy.target, copy.sent)
        except (NotSent, Broke, TimeoutError):
            return None
        return answer if answer.status < 500 else None

    async def _ask(self, upstream: LoopUpstream, read: ReadRoute, target: str, fields: Headers) -> ReadAnswer:
        async with asyncio.timeout(read.within_s):
            exchange = await upstream.exchange(Outgoing("GET", target, [*fields, (MARKER, read.name)]))
            body = bytearray()
            try:
                while piece := await exchange.read():
                    body += piece
                    if len(body) > BODY_BYTES:
                        raise _TooLong
            finally:
                exchange.close()
        return ReadAnswer(exchange.status, exchange.headers, bytes(body))

    def _placed(self, read: ReadRoute, answer: ReadAnswer) -> Places:
        body = uncoded(answer.body, answer.field("content-encoding"), 16 * BODY_BYTES)
        return places(ReadAnswer(answer.status, answer.headers, body), read.headers)

    def _wanted(self, read: ReadRoute, noise: Noise, found: Sequence[str]) -> list[str]:
        return [place for place in found if not (read.ignores(spoken := spoken_place(place)) or spoken in noise)]

    def _is_all_noise(self, read: ReadRoute, noise: Noise, first: Places) -> bool:
        """Nothing of the body was compared, and the plan does not say so."""
        if not noise.places:
            return False
        body = [place for place in first if place == BODY or place.startswith(ROOT)]
        return not self._wanted(read, noise, body) and any(spoken_place(place) in noise for place in body)

    def _differs(self, copy: ReadCopy, place: str, found: Sequence[str], first: Places, candidate: Places) -> None:
        """Said without values, which are the customers'."""
        known = self._places.setdefault((copy.read, copy.epoch), {})
        named = place if place in known or len(known) < MOST_PLACES else OTHER_PLACES
        known[named] = times = known.get(named, 0) + 1
        self._record.count(copy.read, copy.epoch, DIFFERS_AT, named)
        if times <= SAID_EACH or times & (times - 1) == 0:
            exact = next(one for one in found if spoken_place(one) == place)
            told = {"legacy": shape(first.get(exact)), "candidate": shape(candidate.get(exact)), "times": times}
            logger.warning("read_differs", extra={"read": copy.read, "place": named, **told})

    def _end(self, copy: ReadCopy, outcome: ReadOutcome, why: Why | None) -> None:
        self._bytes -= copy.weight
        self._count(copy, outcome, why)

    def _count(self, copy: ReadCopy, outcome: ReadOutcome, why: Why | None) -> None:
        detail = "" if why is None else why.value
        self._measures.read(copy.read, outcome, detail)
        self._record.count(copy.read, copy.epoch, outcome.value, detail)


class _TooLong(Exception):
    """An answer of more than `BODY_BYTES`."""


_WHY: Mapping[type[Exception], Why] = {
    TimeoutError: Why.TOO_SLOW,
    StillCoded: Why.CODED,
    _TooLong: Why.TOO_LONG,
    TooManyPlaces: Why.TOO_LARGE,
}
