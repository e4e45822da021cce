"""Which way a read goes: to legacy, to legacy and copied for comparison, or to the application that takes it over."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from strangler.facade.caller import cookies, fields
from strangler.facade.exchange import Broke, Exchange, NotSent, TooSlow
from strangler.facade.followed import BodyEnd, Followed
from strangler.facade.forward import failed, outgoing
from strangler.facade.headers import to_client, without
from strangler.facade.loop_upstream import LoopUpstream
from strangler.facade.measures import Measures
from strangler.facade.message import Framing, Outgoing, Request, Response
from strangler.facade.overrides import meanings
from strangler.facade.patterns import PathPattern, encoded
from strangler.facade.read_copy import ReadCopy, refused_hand_over
from strangler.facade.read_tee import MARKER, Tee, refused_copy
from strangler.facade.readings import decoded, has_one_reading
from strangler.facade.targets import origin_form
from strangler.ownership import Owner
from strangler.reads.account import ReadOutcome, Why
from strangler.reads.declared import BY_SUBJECT, ReadRoute
from strangler.reads.table import ReadStage
from strangler.routes import COOKIE
from strangler.stages import Stage

logger = logging.getLogger(__name__)

Answering: TypeAlias = Callable[[Request], Awaitable[Response]]
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


class Record(Protocol):
    """Stages in, counts out."""

    def stage(self, read: str) -> ReadStage: ...

    def count(self, read: str, epoch: int, outcome: str, detail: str = "", reads: int = 1) -> int: ...


@dataclass(frozen=True, slots=True)
class FoundRead:
    """A request for a read, at the stage that it has now. `sticky`: whose it is, "" where it does not say that."""

    read: ReadRoute
    stage: ReadStage
    sticky: str

    @property
    def is_candidates(self) -> bool:
        """A request that does not say whose it is could go to and fro, so it stays with legacy until all are moved."""
        row = self.stage.row
        if row.stage in (Stage.LIVE, Stage.RETIRED):
            return True
        return bool(self.sticky) and row.owner_of(self.sticky) is Owner.NEW


class ReadWays:
    """One loop's. `candidates` by the read's name; `secret`: fields that are credentials beside the usual ones."""

    def __init__(
        self,
        reads: Sequence[ReadRoute],
        candidates: Mapping[str, LoopUpstream],
        *,
        record: Record,
        copies: socket.socket,
        measures: Measures,
        secret: Collection[str] = (),
    ) -> None:
        self._reads = [(read, PathPattern.of(read.path)) for read in reads]
        self._candidates, self._record, self._copies, self._measures = candidates, record, copies, measures
        self._secret = CREDENTIALS | set(secret)
        self._tee = Tee()

    def way(self, request: Request, framing: Framing, legacy: Answering) -> Answering:
        """How the request is answered; `legacy` is how it would be without us."""
        found = self._found(request) if request.method in ("GET", "HEAD") and framing.empty else None
        if found is None or found.stage.row.stage is Stage.LEGACY:
            return legacy
        if found.is_candidates:
            return lambda given: self._by_candidate(found, given, legacy)
        if not found.sticky:
            self._count(found, ReadOutcome.NOT_STICKY)
        if request.method == "HEAD" or fields(request.headers, MARKER):
            return legacy
        return lambda given: self._copied(found, given, legacy)

    def _found(self, request: Request) -> FoundRead | None:
        """Only what is asked plainly: what an application could take for something else is legacy's."""
        path, _, _ = (origin_form(request.target) or "").partition("?")
        plain = decoded(path)
        if not has_one_reading(plain) or plain.count("/") != path.count("/"):
            return None
        sent = encoded(path) if "%" in path else path
        for read, pattern in self._reads:
            hit = pattern.exact.fullmatch(sent)
            if hit is not None:
                meant = meanings(request.method, request.target, request.headers)
                if meant is None or len(meant) > 1:
                    return None
                values = {name: decoded(value) for name, value in hit.groupdict().items()}
                return FoundRead(read, self._record.stage(read.name), _sticky(read, values, request))
        return None

    async def _copied(self, found: FoundRead, request: Request, legacy: Answering) -> Response:
        answer = await legacy(request)
        self._count(found, ReadOutcome.ELIGIBLE)
        why = refused_copy(request.headers, answer)
        if why is not None:
            self._count(found, ReadOutcome.FAILED if why is Why.LEGACY else ReadOutcome.DROPPED, why)
            return answer

        def hand_over(body: bytes) -> None:
            sent = outgoing(request, b"", Framing())
            read, epoch = found.read.name, found.stage.epoch
            copy = ReadCopy(read, epoch, sent.target, sent.headers, answer.status, answer.headers, body)
            refused = refused_hand_over(self._copies, copy)
            if refused is not None:
                self._count(found, ReadOutcome.DROPPED, refused)

        return self._tee.copied(answer, hand_over, lambda reason: self._count(found, ReadOutcome.DROPPED, reason))

    async def _by_candidate(self, found: FoundRead, request: Request, legacy: Answering) -> Response:
        read = found.read
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(read.within_s):
                exchange = await self._candidates[read.name].exchange(self._to_candidate(read, request))
        except TimeoutError:
            error: NotSent | Broke = TooSlow(f"no answer within {read.within_s:g} s")
        except (NotSent, Broke) as broke:
            error = broke
        falls_back = read.on_failure == "legacy" and found.stage.row.stage is not Stage.RETIRED
        if exchange is not None:
            if exchange.status < 500:
                body = Followed(exchange, lambda end: self._ended(found, end))
                return Response(exchange.status, exchange.reason, to_client(exchange.headers), body)
            self._failed(found, Why.STATUS, str(exchange.status), falls_back=falls_back)
            if not falls_back:
                return Response(exchange.status, exchange.reason, to_client(exchange.headers), exchange)
            exchange.close()
            return await legacy(request)
        self._failed(found, why_of(error), str(error), falls_back=falls_back)
        return await legacy(request) if falls_back else failed(request.method, error).to_answer()

    def _to_candidate(self, read: ReadRoute, request: Request) -> Outgoing:
        whole = outgoing(request, b"", Framing())
        return whole if read.credentials else replace(whole, headers=without(whole.headers, self._secret))

    def _ended(self, found: FoundRead, end: BodyEnd) -> None:
        """Of an answer whose head was sent: nobody else can answer any more. A client that leaves was answered."""
        if isinstance(end, Broke):
            self._failed(found, why_of(end), str(end), falls_back=False)
        else:
            self._count(found, ReadOutcome.ANSWERED)

    def _failed(self, found: FoundRead, why: Why, reason: str, *, falls_back: bool) -> None:
        outcome = ReadOutcome.FELL_BACK if falls_back else ReadOutcome.REFUSED
        waiting = self._count(found, outcome, why)
        if waiting & (waiting - 1) == 0:  # at powers of two: a log must not grow with what fails
            told = {"read": found.read.name, "why": why.value, "reason": reason, "outcome": outcome.value}
            logger.warning("candidate_failed", extra={**told, "next_step": f"strangler rollback {found.read.name}"})

    def _count(self, found: FoundRead, outcome: ReadOutcome, why: Why | None = None) -> int:
        detail = "" if why is None else why.value
        self._measures.read(found.read.name, outcome, detail)
        return self._record.count(found.read.name, found.stage.epoch, outcome.value, detail)


def why_of(error: NotSent | Broke) -> Why:
    """The name of a failure."""
    if isinstance(error, NotSent):
        return Why.NOT_SENT
    return Why.TOO_SLOW if isinstance(error, TooSlow) else Why.BROKE


def _sticky(read: ReadRoute, values: Mapping[str, str], request: Request) -> str:
    """Whose the request is: the path's subject, or the client by its first cookie or field."""
    if read.sticky == BY_SUBJECT:
        return values.get("ref") or values.get("id") or ""
    kind, _, name = read.sticky.partition(":")
    found = cookies(request.headers, name) if kind + ":" == COOKIE else fields(request.headers, name)
    return found[0] if found else ""
