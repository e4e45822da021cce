"""Does what a claimed request asks for, on the calling thread: claims in the database, requests to the application."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, assert_never

from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, DependencyDown, StranglerError
from strangler.facade import claims
from strangler.facade.asks import (
    AppAnswer,
    Ask,
    ClaimKey,
    EndLease,
    Forward,
    FreeKey,
    KeepAnswer,
    LookUp,
    TakeOver,
)
from strangler.facade.claims import Stages
from strangler.facade.database import Database
from strangler.facade.exchange import Broke, NotSent
from strangler.facade.headers import to_client
from strangler.facade.idempotency import FirstAnswer, Held, Stored
from strangler.facade.message import Outgoing
from strangler.facade.problem import DATABASE_DOWN, NOT_STORABLE, Problem
from strangler.facade.upstream import Upstream

logger = logging.getLogger(__name__)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of an answer that is kept: its bytes, and the time until its end (one wait is bounded by the upstream)."""

    answer_bytes: int
    answer_within_s: float


class Outcomes:
    """Answers asks. Safe across threads."""

    def __init__(self, database: Database, upstream: Upstream, bounds: Bounds) -> None:
        self._database, self._upstream = database, upstream
        self._bounds = bounds
        self._stages = Stages()

    def answer(self, ask: Ask) -> object:
        """What `ask` is answered, as its type says."""
        match ask:
            case ClaimKey():
                return self._claim(ask)
            case TakeOver(claim):
                return self._asked("claim_not_taken_over", lambda connection: claims.take_over(connection, claim))
            case Forward(sent) | LookUp(sent):
                return self._exchanged(sent)
            case KeepAnswer():
                return self._keep(ask)
            case FreeKey(held):
                self._quietly("claim_not_released", lambda connection: claims.release(connection, held))
            case EndLease(claim):
                self._quietly("lease_not_ended", lambda connection: claims.end_lease(connection, claim))
            case _:
                assert_never(ask)
        return None

    def _claim(self, ask: ClaimKey) -> Held | Stored | Problem:
        def work(connection: PsycopgConnection) -> Held | Stored:
            if ask.pins:
                return claims.pin(connection, ask.claim, self._stages)
            return claims.claim_command(connection, ask.claim)

        return self._asked("claim_not_stored", work)

    def _asked(self, event: str, work: Callable[[PsycopgConnection], R]) -> R | Problem:
        try:
            return self._database.run(work)
        except DependencyDown as error:
            logger.warning(event, extra={"reason": str(error)})
            return DATABASE_DOWN
        except BadInput as error:
            logger.warning(event, extra={"reason": str(error)})
            return NOT_STORABLE

    def _keep(self, ask: KeepAnswer) -> FirstAnswer:
        try:
            return self._database.run(lambda connection: claims.finish(connection, ask.claim, ask.answer))
        except StranglerError as error:  # the write is done: the client must hear of it; a repeat will look it up
            logger.warning("answer_not_stored", extra={"reason": str(error)})
            return ask.answer

    def _quietly(self, event: str, work: Callable[[PsycopgConnection], None]) -> None:
        """The client's answer does not depend on it: the lease ends by itself."""
        try:
            self._database.run(work)
        except StranglerError as error:
            logger.warning(event, extra={"reason": str(error)})

    def _exchanged(self, sent: Outgoing) -> AppAnswer | NotSent | Broke:
        """`body` is all that may be kept; the connection is free again unless there is more."""
        bounds = self._bounds
        try:
            said = self._upstream.ask(sent, most_bytes=bounds.answer_bytes, within_s=bounds.answer_within_s)
        except (NotSent, Broke) as error:
            return error
        head = said.head
        return AppAnswer(head.status, head.reason, to_client(head.headers), said.body, said.rest)
