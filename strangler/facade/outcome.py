"""What became of a claimed request: stored once, given again, or found out by asking for the subject."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from outbox.connection import PsycopgConnection
from strangler.errors import DependencyDown
from strangler.facade import claims
from strangler.facade.caller import AUTHORIZATION
from strangler.facade.claims import Held
from strangler.facade.database import Database
from strangler.facade.exchange import Broke, NotSent, TooSlow
from strangler.facade.forward import failed
from strangler.facade.headers import to_client, to_look_up
from strangler.facade.idempotency import REPLAYED, FirstAnswer, RequestClaim, Stored, creation_status
from strangler.facade.message import Outgoing, RequestOutcome, Response, values
from strangler.facade.problem import OUTCOME_UNKNOWN
from strangler.facade.targets import Owned
from strangler.facade.upstream import Upstream
from strangler.ownership import CREATION_STATUS_HEADER

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A claimed request as it goes, or went, to the application. `caller_fields`: by which it knows its caller."""

    held: Held
    sent: Outgoing
    match: Owned
    caller_fields: frozenset[str] = frozenset()

    @property
    def creates(self) -> bool:
        """It makes the subject that it names."""
        return bool(self.match.route.creates)

    @property
    def claim(self) -> RequestClaim:
        return self.held.claim


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of an answer that is kept: its bytes, and the time until its end (one wait is bounded by the upstream).

    `subject_path` is where a subject is looked up, with `token` where that is a route of the toolkit's own;
    `status_path` where a client is sent that has to wait.
    """

    subject_path: str
    status_path: str
    answer_bytes: int
    answer_within_s: float
    token: str | None = field(default=None, repr=False)


class Outcomes:
    """Ends claims. Nothing here sends the write again. Safe across threads."""

    def __init__(self, database: Database, upstream: Upstream, bounds: Bounds) -> None:
        self._database, self._upstream = database, upstream
        self._bounds = bounds

    def settle(self, claim: RequestClaim, answer: FirstAnswer) -> FirstAnswer:
        """Store the answer; the one that counts, which is another's if that came first."""

        def store(connection: PsycopgConnection) -> Stored | None:
            return None if claims.finish(connection, claim, answer) else claims.find(connection, claim)

        try:
            stored = self._database.run(store)
        except DependencyDown as error:  # the write is done: the client must hear of it; a repeat will look it up
            logger.warning("answer_not_stored", extra={"reason": str(error)})
            return answer
        return stored.answer if stored is not None and stored.answer is not None else answer

    def release(self, held: Held) -> None:
        """The application has not taken the request on: its key is free again."""
        self._quietly("claim_not_released", lambda connection: claims.release(connection, held))

    def replay(
        self, attempt: Attempt, first: FirstAnswer, outcome: RequestOutcome = RequestOutcome.REPLAYED
    ) -> Response:
        """The first answer, byte for byte, and said to be a replay. One that was too large to keep is looked up."""
        if first.body is None:
            found = self._look_up(attempt) if attempt.creates else None
            if found is None:
                return OUTCOME_UNKNOWN.to_answer()
            first = found
        return Response(first.status, first.reason, [*first.headers, REPLAYED], first.body or b"", outcome)

    def lost(self, attempt: Attempt, broke: Broke) -> Response:
        """Our own attempt has ended without an answer that counts: whoever asks next need not wait for the lease."""
        logger.warning("answer_lost", extra={"reason": str(broke)})
        self._quietly("lease_not_ended", lambda connection: claims.end_lease(connection, attempt.claim))
        found = self._resolved(attempt)
        if found is not None:
            return given(found, RequestOutcome.FOUND)
        unknown = OUTCOME_UNKNOWN if attempt.claim.repeatable else failed(attempt.sent.method, broke)
        return unknown.to_answer()

    def resolve(self, attempt: Attempt) -> Response:
        """A claim that nobody works on any more."""
        found = self._resolved(attempt)
        return OUTCOME_UNKNOWN.to_answer() if found is None else self.replay(attempt, found, RequestOutcome.FOUND)

    def read(self, pieces: Iterator[bytes]) -> tuple[bytes, bool]:
        """The body, or what of it may be kept; whether that is all. `TooSlow` when it trickles."""
        deadline = time.monotonic() + self._bounds.answer_within_s
        head = bytearray()
        for piece in pieces:
            head += piece
            if len(head) > self._bounds.answer_bytes:
                return bytes(head), False
            if time.monotonic() > deadline:
                raise TooSlow(f"the answer was not complete after {self._bounds.answer_within_s:g} s")
        return bytes(head), True

    def _resolved(self, attempt: Attempt) -> FirstAnswer | None:
        """A subject is found or it is not; of a command of a subject nothing is found out by that.

        While the application itself still decides, its word for now is given and not kept: the next one asks again.
        """
        found = self._look_up(attempt) if attempt.creates else None
        if found is None:
            logger.warning("outcome_unknown")
            return None
        logger.info("outcome_found")
        return found if found.status == HTTPStatus.ACCEPTED else self.settle(attempt.claim, found)

    def _look_up(self, attempt: Attempt) -> FirstAnswer | None:
        """The subject as the application has it, as if it were created now; None when it cannot say so.

        Created, unless the application says (Strangler-Creation-Status) that it still decides, or has refused.
        """
        ref = quote(attempt.claim.subject_ref, safe="")
        asked = to_look_up(attempt.sent.headers, attempt.caller_fields)
        if self._bounds.token is not None:
            asked = [field for field in asked if field[0].lower() != AUTHORIZATION]
            asked.append(("Authorization", f"Bearer {self._bounds.token}"))
        try:
            exchange = self._upstream.exchange(Outgoing("GET", self._bounds.subject_path.format(ref=ref), asked))
            with closing(exchange):
                body, whole = self.read(iter(exchange))
        except (NotSent, Broke) as error:
            logger.warning("look_up_failed", extra={"reason": str(error)})
            return None
        if exchange.status != HTTPStatus.OK or not whole:
            return None
        status = creation_status(values(exchange.headers, CREATION_STATUS_HEADER.lower()))
        if status is None:
            logger.warning("look_up_failed", extra={"reason": f"{CREATION_STATUS_HEADER} is not 201, 202 or 4xx"})
            return None
        kept = [field for field in to_client(exchange.headers) if field[0].lower() != CREATION_STATUS_HEADER.lower()]
        place = [("Location", self._bounds.status_path.format(ref=ref))] if status is HTTPStatus.ACCEPTED else []
        return FirstAnswer(status, status.phrase, [*kept, *place], body)

    def _quietly(self, event: str, work: Callable[[PsycopgConnection], None]) -> None:
        """The client's answer does not depend on it: the lease ends by itself."""
        try:
            self._database.run(work)
        except DependencyDown as error:
            logger.warning(event, extra={"reason": str(error)})


def given(first: FirstAnswer, outcome: RequestOutcome = RequestOutcome.ANSWERED) -> Response:
    """The first answer, given for the first time."""
    return Response(first.status, first.reason, first.headers, first.body or b"", outcome)
