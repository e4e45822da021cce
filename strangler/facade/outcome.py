"""Does what a claimed request asks for, on the loop: claims in the database, requests to the application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, assert_never

from strangler.errors import BadInput, DependencyDown, StranglerError
from strangler.facade import claims
from strangler.facade.answer_reader import read_answer
from strangler.facade.asks import (
    AppAnswer,
    Ask,
    ClaimKey,
    EndLease,
    Forward,
    FreeKey,
    KeepAnswer,
    LookUp,
    Pause,
    TakeOver,
)
from strangler.facade.claims import Stages
from strangler.facade.exchange import Broke, NotSent
from strangler.facade.headers import to_client
from strangler.facade.idempotency import FirstAnswer, Held, RequestClaim, Stored
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.loop_upstream import LoopUpstream
from strangler.facade.message import Outgoing
from strangler.facade.problem import DATABASE_DOWN, NOT_STORABLE, Problem
from strangler.facade.statement import Result

logger = logging.getLogger(__name__)

R = TypeVar("R")

STORED_WITHIN_S = 1.0  # of a lease, before its end
AGAIN_S, MOST_AGAIN_S = 0.1, 1.0  # between two tries to store an answer
MOST_UNSTORED = 100  # answers that wait for another try


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of an answer that is kept: its bytes, and the time until its end, within which the lease must not run out."""

    answer_bytes: int
    answer_within_s: float


class Outcomes:
    """Answers asks. Of one loop."""

    def __init__(
        self, database: LoopDatabase, upstream: LoopUpstream, bounds: Bounds, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._database, self._upstream = database, upstream
        self._bounds, self._loop = bounds, loop
        self._stages = Stages()
        self._storing: dict[str, asyncio.Future[None]] = {}  # by key: answers of which the result is awaited
        self._unstored: set[asyncio.Task[None]] = set()

    async def answer(self, ask: Ask) -> object:
        """What `ask` is answered, as its type says."""
        match ask:
            case ClaimKey():
                return await self._claim(ask)
            case TakeOver(claim):
                by = self._loop.time() + claim.lease_s - STORED_WITHIN_S
                said = await self._asked("claim_not_taken_over", partial(claims.take_over, claim=claim))
                return replace(said, by=by) if isinstance(said, Held) else said
            case Forward(sent, by) | LookUp(sent, by):
                return await self._exchanged(sent, by)
            case KeepAnswer():
                return await self._keep(ask)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case FreeKey(held):
                await self._quietly("claim_not_released", partial(claims.release, held=held))
            case EndLease(claim):
                await self._quietly("lease_not_ended", partial(claims.end_lease, claim=claim))
            case _:
                assert_never(ask)
        return None

    async def _claim(self, ask: ClaimKey) -> Held | Stored | Problem:
        claim = ask.claim
        for key in (claim.key, *claim.near):
            if key in self._storing:
                await asyncio.wait([self._storing[key]])
        now = self._loop.time()  # the lease begins later, and ends later
        if ask.pins:
            work = partial(claims.pin, claim=claim, stages=self._stages)
            said = await self._asked("claim_not_stored", work)
        else:
            said = await self._asked("claim_not_stored", partial(claims.claim_command, claim=claim))
        if isinstance(said, Held):
            return replace(said, sole_until=now + claim.lease_s / 2, by=now + claim.lease_s - STORED_WITHIN_S)
        return said

    async def _asked(self, event: str, work: Callable[[LoopConnection], Awaitable[R]]) -> R | Problem:
        try:
            return await self._database.run(work)
        except DependencyDown as error:
            logger.warning(event, extra={"reason": str(error)})
            return DATABASE_DOWN
        except BadInput as error:
            logger.warning(event, extra={"reason": str(error)})
            return NOT_STORABLE

    async def _keep(self, ask: KeepAnswer) -> FirstAnswer:
        """Where no other can be first, the client does not wait for the disk: the statement is on its way."""
        claim = ask.claim
        try:
            if self._loop.time() >= ask.sole_until:
                return await self._database.run(partial(claims.finish, claim=claim, answer=ask.answer))
            stored: asyncio.Future[None] = self._loop.create_future()
            await self._database.begin(*claims.finishing(claim, ask.answer), partial(self._stored, ask, stored))
            self._storing[claim.key] = stored
        except StranglerError as error:  # the write is done: the client must hear of it
            self._not_stored(claim, ask.answer, error)
        return ask.answer

    def _stored(self, ask: KeepAnswer, stored: asyncio.Future[None], said: Result | StranglerError) -> None:
        claim = ask.claim
        stored.set_result(None)
        if self._storing.get(claim.key) is stored:
            del self._storing[claim.key]
        if isinstance(said, StranglerError):
            self._not_stored(claim, ask.answer, said)
        elif claim.repeatable and said.count != 1:
            logger.warning("answer_not_stored", extra={"reason": "its claim has ended meanwhile"})

    def _not_stored(self, claim: RequestClaim, answer: FirstAnswer, error: StranglerError) -> None:
        """One connection that breaks must not lose an answer: a repeat of a command could find it nowhere else."""
        if isinstance(error, BadInput) or not claim.repeatable or len(self._unstored) >= MOST_UNSTORED:
            logger.warning("answer_not_stored", extra={"reason": str(error)})
            return
        task = self._loop.create_task(self._store_again(claim, answer, str(error)))
        self._unstored.add(task)
        task.add_done_callback(self._unstored.discard)

    async def _store_again(self, claim: RequestClaim, answer: FirstAnswer, reason: str) -> None:
        """While the claim's lease stands. The first answer counts, so one more try can do no harm."""
        until, pause_s = self._loop.time() + claim.lease_s / 2, AGAIN_S
        try:
            while self._loop.time() < until:
                await asyncio.sleep(pause_s)
                pause_s = min(MOST_AGAIN_S, 2 * pause_s)
                try:
                    await self._database.run(partial(claims.finish, claim=claim, answer=answer))
                except DependencyDown as error:
                    reason = str(error)
                else:
                    logger.info("answer_stored_again", extra={"reason": reason})
                    return
        except BadInput as error:
            reason = str(error)
        except asyncio.CancelledError:
            logger.warning("answer_not_stored", extra={"reason": reason})
            raise
        logger.warning("answer_not_stored", extra={"reason": reason})

    async def _quietly(self, event: str, work: Callable[[LoopConnection], Awaitable[None]]) -> None:
        """The client's answer does not depend on it: the lease ends by itself."""
        try:
            await self._database.run(work)
        except StranglerError as error:
            logger.warning(event, extra={"reason": str(error)})

    async def _exchanged(self, sent: Outgoing, by: float) -> AppAnswer | NotSent | Broke:
        """`body` is all that may be kept; the connection is free again unless there is more."""
        bounds = self._bounds
        try:
            by = min(by, self._loop.time() + bounds.answer_within_s)
            said = await self._upstream.exchange(sent, by=by)
            body, rest = await read_answer(said, bounds.answer_bytes)
        except (NotSent, Broke) as error:
            return error
        return AppAnswer(said.status, said.reason, to_client(said.headers), body, rest)
