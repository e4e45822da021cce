"""Who answers a request: owned writes are claimed, what is the facade's own is told, everything else passes through."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

from strangler.facade.answer_head import interim
from strangler.facade.client_link import ClientLink
from strangler.facade.entrance import Entrance
from strangler.facade.facade_catalogue import OTHER_ROUTE
from strangler.facade.forward import forward
from strangler.facade.headers import to_client
from strangler.facade.health import Health
from strangler.facade.loop_upstream import LoopUpstream, OnInterim
from strangler.facade.measures import Measures
from strangler.facade.message import Headers, Request, Response, options
from strangler.facade.overrides import meanings
from strangler.facade.owned import OwnedWrites
from strangler.facade.problem import CLIENT_GONE, NO_TUNNEL, NO_UPGRADE, Problem, request_refused
from strangler.facade.read_ways import ReadWays
from strangler.facade.targets import AmbiguousTarget, Match, NotOwned, Owned, Reserved, Targets
from strangler.facade.wire import RequestHead, ResponseHead

OVERRIDE_REFUSED = "a header field overrides method or path, which would make this an owned request; send it plainly"


class Facade:
    """Answers every request of one worker. `limit_bytes`: of the body of an owned one."""

    def __init__(
        self,
        targets: Targets,
        owned: OwnedWrites,
        upstream: LoopUpstream,
        health: Health,
        *,
        measures: Measures,
        limit_bytes: int,
        entrance: Entrance | None = None,
        reads: ReadWays | None = None,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._entrance, self._reads = entrance, reads
        self._targets = targets
        self._owned = owned
        self._upstream = upstream
        self._health = health
        self._measures = measures

    async def answer(self, head: RequestHead, client: ClientLink) -> Response:
        """The answer, counted and timed; its body may be on its way yet."""
        request = Request(head.method, head.target, head.headers, client.peer, "http")
        began, route, answer = time.monotonic(), OTHER_ROUTE, None
        try:
            match = self._match(request)
            route = match.route.target if isinstance(match, Owned) else OTHER_ROUTE
            answer = await self._answer(request, head, match, client)
        except asyncio.CancelledError:
            answer = CLIENT_GONE.to_answer()
            raise
        finally:
            self._measures.requested(route, answer, time.monotonic() - began)
        return answer

    def refused(self, answer: Response) -> None:
        self._measures.requested(OTHER_ROUTE, answer, 0.0)

    def _match(self, request: Request) -> Match:
        """Whose request it is, by its method and its raw target."""
        match = self._targets.match(request.method, request.target)
        return AmbiguousTarget(OVERRIDE_REFUSED) if self._is_overridden(request, match) else match

    async def _answer(self, request: Request, head: RequestHead, match: Match, client: ClientLink) -> Response:
        if request.method == "CONNECT":
            return NO_TUNNEL.to_answer()
        match match:
            case Owned():
                carried_out = partial(self._carry_out, head=head, match=match, client=client)
                return await self._let_in(request, client, carried_out)
            case AmbiguousTarget():
                return request_refused(match.why).to_answer()
            case Reserved():
                return await self._health.answer_to(request.method, match.path)
            case NotOwned():
                if _asks_for_a_socket(request.headers):
                    return NO_UPGRADE.to_answer()
                body = b"" if head.framing.empty else client
                passing = _passing(head, client)
                onwards = partial(forward, body=body, framing=head.framing, upstream=self._upstream, on_interim=passing)
                way = onwards if self._reads is None else self._reads.way(request, head.framing, onwards)
                return await self._let_in(request, client, way)
            case _:
                assert_never(match)

    async def _carry_out(self, request: Request, head: RequestHead, match: Owned, client: ClientLink) -> Response:
        """To its end, also when the client has gone."""
        if head.expects_continue and not client.ready() and (head.framing.length or 0) <= self._limit_bytes:
            client.write(interim(100, "", []))
        body = await client.whole(head.framing, self._limit_bytes)
        if isinstance(body, Problem):
            return body.to_answer()
        whole = replace(request, body=body)
        client.interruptible = False
        try:
            return await self._owned.answer(whole, match)
        finally:
            client.interruptible = True

    async def _let_in(
        self, request: Request, client: ClientLink, answering: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if self._entrance is None:
            return await answering(request)
        return await self._entrance.through(request, client, answering)

    def _is_overridden(self, request: Request, match: Match) -> bool:
        """Whether an application that honours such fields would run another owned route, or a reserved path."""
        meant = meanings(request.method, request.target, request.headers)
        if meant is None:
            return True
        if len(meant) == 1:
            return False
        if self._targets.below_a_base and any(target != request.target for _, target in meant):
            return True  # with the base or without it: nobody knows which one the application means
        others = [
            other for other in (self._targets.match(*each) for each in meant) if isinstance(other, Owned | Reserved)
        ]
        return any(_place(other) != _place(match) for other in others)


def _passing(head: RequestHead, client: ClientLink) -> OnInterim:
    """Of what comes before the answer HTTP/1.0 knows nothing."""

    def pass_on(response: ResponseHead) -> None:
        if head.http_1_1:
            client.write(interim(response.status, response.reason, to_client(response.headers)))

    return pass_on


def _asks_for_a_socket(headers: Headers) -> bool:
    return "websocket" in options(headers, "upgrade") and "upgrade" in options(headers, "connection")


def _place(match: Match) -> object:
    """Where a request goes, in whichever spelling."""
    return (match.route, match.canonical) if isinstance(match, Owned) else match
