"""Writes that the plan owns, carried out on the loop: claimed, forwarded once, answered the same since."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import dataclass
from functools import partial

from outbox.fault_points import FaultPoints
from strangler.facade.asks import AppAnswer, Ask, ClaimKey, Forward, KeepAnswer, driven
from strangler.facade.caller import CallerFailed, caller_fields
from strangler.facade.carry_out import Attempt, carry_out
from strangler.facade.facade_catalogue import ClaimState
from strangler.facade.forward import outgoing
from strangler.facade.idempotency import RETENTION_S, Held, RequestClaim, mint_ref
from strangler.facade.look_up import Places
from strangler.facade.measures import Measures, claim_state
from strangler.facade.message import Framing, Request, Response, Streamed, values
from strangler.facade.outcome import Outcomes
from strangler.facade.problem import CALLER_FAILED, THREADS_BUSY, Problem
from strangler.facade.request_key import RequestKey, key_of
from strangler.facade.targets import Owned
from strangler.facade.threads import Threads, ThreadsBusy
from strangler.routes import Callers, listed

logger = logging.getLogger(__name__)

ATTEMPT_BITS = 63  # a bigint's; two of one key that are the same come up in one of 10^18
LARGE_BYTES = 64 * 1024  # as many are read and digested in well below a millisecond


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """After `lease_s` a claim without an answer counts as abandoned: a repeat asks the application for the subject.
    After `retention_s` a key is free again, with or without an answer.

    `reference_header` carries the subject's reference to the application, `work` is the class of what is refused.
    `places`: where a subject is looked up. `caller` identifies who sends a key on routes without a `caller` of their
    own.
    """

    lease_s: float
    reference_header: str
    work: str
    places: Places
    caller: Callers = ()
    retention_s: float = RETENTION_S


class OwnedWrites:
    """Answers requests on owned routes. Of one loop."""

    def __init__(
        self,
        settings: ClaimSettings,
        outcomes: Outcomes,
        threads: Threads,
        fault_points: FaultPoints,
        *,
        measures: Measures,
    ) -> None:
        self._settings = settings
        self._outcomes = outcomes
        self._threads = threads
        self._fault_points = fault_points
        self._measures = measures

    async def answer(self, request: Request, match: Owned) -> Response:
        """The first answer, a replay of it, or a problem that says whether anything was done."""
        claim = await self._claim_of(request, match)
        if isinstance(claim, Problem):
            return claim.to_answer(self._settings.work)
        answer = await self._carried_out(self._attempt(request, match, claim))
        self._measures.claimed(match.route.target, answer)
        return answer

    async def _carried_out(self, attempt: Attempt) -> Response:
        pinned: list[Held] = []
        opened: list[Streamed] = []
        response = None

        async def answer(ask: Ask) -> object:
            said = await self._outcomes.answer(ask)
            match said:
                case Held(pinned=True):
                    pinned.append(said)
                case AppAnswer(rest=rest) if rest is not None:
                    opened.append(rest)
            self._reach(ask, said)
            return said

        try:
            response = await driven(carry_out(attempt), answer)
        finally:
            for rest in opened:
                if response is None or response.body is not rest:
                    rest.close()
        for held in pinned:
            if not held.pinned_now or claim_state(response) is not ClaimState.RELEASED:
                self._measures.pinned(held.owners)
        return response

    def _reach(self, ask: Ask, said: object) -> None:
        if isinstance(ask, ClaimKey) and isinstance(said, Held):
            self._fault_points.reach("facade.claimed")
        elif isinstance(ask, Forward) and isinstance(said, AppAnswer):
            self._fault_points.reach("facade.forwarded")
        elif isinstance(ask, KeepAnswer):
            self._fault_points.reach("facade.kept")

    async def _claim_of(self, request: Request, match: Owned) -> RequestClaim | Problem:
        found = await self._key_of(request, match)
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
            match.route.target,
            secrets.randbits(ATTEMPT_BITS),
        )

    async def _key_of(self, request: Request, match: Owned) -> RequestKey | Problem | CallerFailed:
        """A function of the plan's may block, and a large body takes its time: those stay off the loop."""
        callers = self._callers(match)
        finding = partial(key_of, request, match, request.body, callers, time.time())
        if len(request.body) <= LARGE_BYTES and not any(map(callable, listed(callers))):
            return finding()
        try:
            return await self._threads.run(finding)
        except ThreadsBusy as busy:
            logger.warning("threads_busy", extra={"reason": str(busy)})
            return THREADS_BUSY
        except TimeoutError as late:
            return CallerFailed(type(late).__name__)

    def _ref_of(self, match: Owned, key: RequestKey) -> str:
        if match.native_id is not None:
            return f"{self._settings.work}:{match.native_id}"
        return match.subject_ref or mint_ref(key.scope, key.key)

    def _callers(self, match: Owned) -> Callers:
        return self._settings.caller if match.route.caller is None else match.route.caller

    def _attempt(self, request: Request, match: Owned, claim: RequestClaim) -> Attempt:
        framed = values(request.headers, "content-length") or values(request.headers, "transfer-encoding")
        framing = Framing(length=len(request.body)) if framed else Framing()
        return Attempt(
            claim,
            outgoing(request, request.body, framing),
            match,
            self._settings.places,
            self._settings.reference_header,
            self._settings.work,
            caller_fields(self._callers(match)),
        )
