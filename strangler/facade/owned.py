"""Writes that the plan owns: claimed and pinned, forwarded once, and answered the same from then on."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from itertools import chain
from typing import assert_never

from outbox.connection import PsycopgConnection
from outbox.fault_points import FaultPoints
from strangler.errors import DependencyDown
from strangler.facade import claims
from strangler.facade.caller import CallerFailed, caller_fields
from strangler.facade.claims import Held, Stages
from strangler.facade.client_body import ClientBody, read_all
from strangler.facade.database import Database
from strangler.facade.exchange import Broke, Exchange, NotSent
from strangler.facade.facade_catalogue import ClaimState
from strangler.facade.forward import Streamed, failed, outgoing, passed_on
from strangler.facade.headers import is_field_value, request_framing, to_client
from strangler.facade.idempotency import (
    FirstAnswer,
    Repeat,
    RequestClaim,
    Stored,
    judge,
    mint_ref,
    not_taken,
    unknown_spelling,
)
from strangler.facade.measures import Measures, claim_state
from strangler.facade.message import Framing, Outgoing, Request, RequestOutcome, Response
from strangler.facade.outcome import Attempt, Outcomes, given
from strangler.facade.problem import (
    CALLER_FAILED,
    CALLER_UNKNOWN,
    DATABASE_DOWN,
    IN_PROGRESS,
    OTHER_REQUEST,
    Problem,
)
from strangler.facade.request_key import RequestKey, key_of
from strangler.facade.targets import Owned
from strangler.facade.upstream import Upstream
from strangler.ownership import HEADER
from strangler.routes import Callers

logger = logging.getLogger(__name__)

# What stands between says that the application gave no answer. Any other status is the application's own word, 500
# too: it may have committed before it failed, and it is the first answer all the same.
NO_WORD = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """After `lease_s` a claim without an answer counts as abandoned: a repeat asks the application for the subject.

    `reference_header` carries the subject's reference to the application, `work` is the class of what is refused.
    `caller` identifies who sends a key on routes without a `caller` of their own.
    """

    lease_s: float
    reference_header: str
    work: str
    caller: Callers = ()
    retention_s: float = 24 * 3600.0
    body_limit_bytes: int = 1024 * 1024


class OwnedWrites:
    """Answers requests on owned routes. Safe across threads.

    A key is forwarded once, and again only when it is certain that the application has not taken it on. Whatever
    came in between (a lost answer, a killed facade) is resolved by looking for the subject.
    """

    def __init__(
        self,
        settings: ClaimSettings,
        database: Database,
        upstream: Upstream,
        outcomes: Outcomes,
        fault_points: FaultPoints,
        *,
        measures: Measures,
    ) -> None:
        self._settings = settings
        self._database = database
        self._upstream = upstream
        self._outcomes = outcomes
        self._fault_points = fault_points
        self._measures = measures
        self._stages = Stages()

    def answer(self, request: Request, match: Owned) -> Response:
        """The first answer, a replay of it, or a problem that says whether anything was done."""
        body = read_all(ClientBody(request.body), request_framing(request.headers), self._settings.body_limit_bytes)
        if isinstance(body, Problem):
            return body.to_answer()
        claim = self._claim_of(request, match, body)
        if isinstance(claim, Problem):
            return claim.to_answer()
        answer = self._carried_out(request, match, body, claim)
        self._measures.claimed(match.route.target, answer)
        return answer

    def _carried_out(self, request: Request, match: Owned, body: bytes, claim: RequestClaim) -> Response:
        try:
            held = self._database.run(lambda connection: self._claim(connection, claim, match))
        except DependencyDown as error:
            logger.warning("claim_not_stored", extra={"reason": str(error)})
            return DATABASE_DOWN.to_answer(self._settings.work)
        if isinstance(held, Stored):
            claim = replace(claim, key=held.key, subject_ref=held.subject_ref)
            return self._repeated(held, self._attempt(request, match, body, Held(claim, None)))
        self._fault_points.reach("facade.claimed")
        answer = self._first(self._attempt(request, match, body, held))
        if held.pinned and not (held.pinned_now and claim_state(answer) is ClaimState.RELEASED):
            self._measures.pinned(held.owners)
        return answer

    def _claim_of(self, request: Request, match: Owned, body: bytes) -> RequestClaim | Problem:
        found = key_of(request, match, body, self._callers(match), time.time())
        if isinstance(found, CallerFailed):
            logger.error("caller_failed", extra={"route": match.route.path, "error": found.error})
            return CALLER_FAILED
        if isinstance(found, Problem):
            return found
        return RequestClaim(
            found.scope,
            found.key,
            found.fingerprint,
            self._ref_of(match, found),
            self._settings.lease_s,
            self._settings.retention_s,
            found.other_scopes,
            found.near,
            found.within_s,
            found.repeatable,
            None if match.native_id is None else (self._settings.work, match.native_id),
        )

    def _ref_of(self, match: Owned, key: RequestKey) -> str:
        if match.native_id is not None:
            return f"{self._settings.work}:{match.native_id}"
        return match.subject_ref or mint_ref(key.scope, key.key)

    def _callers(self, match: Owned) -> Callers:
        return self._settings.caller if match.route.caller is None else match.route.caller

    def _claim(self, connection: PsycopgConnection, claim: RequestClaim, match: Owned) -> Held | Stored:
        if match.subject_ref is None:
            return claims.pin(connection, claim, self._stages)
        return claims.claim_command(connection, claim)

    def _attempt(self, request: Request, match: Owned, body: bytes, held: Held) -> Attempt:
        sent = self._with_owner(request, body, held.claim.subject_ref, held.owners)
        return Attempt(held, sent, match, caller_fields(self._callers(match)))

    def _with_owner(self, request: Request, body: bytes, subject_ref: str, owners: str | None) -> Outgoing:
        """The subject's reference and owners in place of any that the client has sent; those are gone by now."""
        framing = request_framing(request.headers)
        known = Framing(length=len(body)) if framing.chunked or framing.length is not None else framing
        sent = outgoing(request, self._upstream, body, known)
        own = [(HEADER, owners)] if owners else []
        if is_field_value(subject_ref):  # else the path alone names it
            own.insert(0, (self._settings.reference_header, subject_ref))
        return replace(sent, headers=[*sent.headers, *own])

    def _repeated(self, stored: Stored, attempt: Attempt) -> Response:
        found = judge(stored, attempt.claim.fingerprint)
        if isinstance(found, FirstAnswer):
            return self._outcomes.replay(attempt, found)
        match found:
            case Repeat.OTHER_REQUEST:
                return OTHER_REQUEST.to_answer()
            case Repeat.CALLER_UNKNOWN:
                return CALLER_UNKNOWN.to_answer()
            case Repeat.IN_PROGRESS:
                return IN_PROGRESS.to_answer()
            case Repeat.STALE:
                return self._outcomes.resolve(attempt)
            case _:
                assert_never(found)

    def _first(self, attempt: Attempt) -> Response:
        try:
            exchange = self._upstream.exchange(attempt.sent)
        except NotSent as error:
            self._outcomes.release(attempt.held)
            return failed(attempt.sent.method, error).to_answer(self._settings.work)
        except Broke as broke:
            return self._outcomes.lost(attempt, broke)
        self._fault_points.reach("facade.forwarded")
        if exchange.status in NO_WORD and attempt.claim.repeatable:
            exchange.close()
            return self._outcomes.lost(attempt, Broke(f"status {exchange.status}"))
        if _not_taken(attempt, exchange):
            self._outcomes.release(attempt.held)
            return replace(passed_on(exchange), outcome=RequestOutcome.NOT_TAKEN)
        return self._kept(attempt, exchange)

    def _kept(self, attempt: Attempt, exchange: Exchange) -> Response:
        """Stored before the client gets a byte of it; of an answer too large to keep, that it was given."""
        pieces = iter(exchange)
        try:
            head, ended = self._outcomes.read(pieces)
        except Broke as broke:
            exchange.close()
            return self._outcomes.lost(attempt, broke)
        own = FirstAnswer(exchange.status, exchange.reason, to_client(exchange.headers), head if ended else None)
        counts = self._outcomes.settle(attempt.claim, own)
        if counts is own and not ended:
            return Response(own.status, own.reason, own.headers, Streamed(exchange, chain([head], pieces)))
        exchange.close()
        return given(own) if counts is own else self._outcomes.replay(attempt, counts)


def _not_taken(attempt: Attempt, exchange: Exchange) -> bool:
    """The application has not carried the request out, and says so: nothing of it is kept."""
    if not_taken(exchange.status, exchange.headers):
        return True
    match = attempt.match
    return not match.certain and unknown_spelling(exchange.status, exchange.headers, match.canonical)
