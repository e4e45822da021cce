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
from strangler.facade.later import Later, Owed
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.loop_upstream import LoopUpstream
from strangler.facade.message import Outgoing
from strangler.facade.problem import DATABASE_DOWN, NOT_STORABLE, Problem
from strangler.facade.statement import Result

logger = logging.getLogger(__name__)

R = TypeVar("R")

STORED_WITHIN_S = 1.0  # of a lease, before its end
CLAIMED_WITHIN_S = 12.0  # a statement that we gave up on may still be carried out by the server


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
        self._later = Later(database, loop)

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
        else:
            work = partial(claims.claim_command, claim=claim)
        said = await self._asked("claim_not_stored", work, unsure=claim)
        if isinstance(said, Held):
            return replace(said, sole_until=now + claim.lease_s / 2, by=now + claim.lease_s - STORED_WITHIN_S)
        return said

    async def _asked(
        self, event: str, work: Callable[[LoopConnection], Awaitable[R]], unsure: RequestClaim | None = None
    ) -> R | Problem:
        """`unsure`: what the server may have claimed although it did not say so."""
        try:
            return await self._database.run(work)
        except DependencyDown as error:
            logger.warning(event, extra={"reason": str(error)})
            if unsure is not None:
                self._not_claimed(unsure, error)
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
        """One connection that breaks must not lose an answer: a repeat of a command could find it nowhere else. While
        the claim's lease stands one more try can do no harm: the first answer counts.
        """
        if isinstance(error, BadInput) or not claim.repeatable:
            logger.warning("answer_not_stored", extra={"reason": str(error)})
            return

        async def store(connection: LoopConnection) -> bool:
            await claims.finish(connection, claim, answer)
            return True

        until = self._loop.time() + claim.lease_s / 2
        self._later.add(Owed(store, until, str(error), "answer_stored_again", "answer_not_stored"))

    def _not_claimed(self, claim: RequestClaim, error: StranglerError) -> None:
        """Its client was told that nothing was done, but the server may claim it yet: then its repeats were told that
        it is in progress, and later that it is lost.
        """
        if claim.repeatable:
            free = partial(claims.free, claim=claim)
            self._later.add(Owed(free, self._loop.time() + CLAIMED_WITHIN_S, str(error), "claim_freed"))

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
