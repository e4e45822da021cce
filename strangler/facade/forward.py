"""Transparent forwarding: what the plan does not own goes to the application and back, streamed both ways."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from dataclasses import replace

from strangler.facade.client_body import ClientBody, ClientGone
from strangler.facade.exchange import Broke, Exchange, NotSent, TooSlow
from strangler.facade.headers import request_framing, to_client, to_upstream
from strangler.facade.message import Body, Framing, Outgoing, Request, Response
from strangler.facade.problem import UPSTREAM_BROKE, UPSTREAM_DOWN, UPSTREAM_SLOW, Problem, RequestEffect
from strangler.facade.targets import origin_form
from strangler.facade.upstream import Upstream

logger = logging.getLogger(__name__)

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1: they change nothing


class Streamed:
    """A response on its way to the client; the server closes it, also when the client has gone."""

    def __init__(self, exchange: Exchange, pieces: Iterator[bytes] | None = None) -> None:
        self._exchange = exchange
        self._pieces = iter(exchange) if pieces is None else pieces

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces
        except Broke as broke:
            logger.warning("answer_truncated", extra={"reason": str(broke)})
            # The server drops the connection on this: the client must not take a part for the whole.
            raise ConnectionResetError(errno.ECONNRESET, "the application broke off in the middle") from broke

    def close(self) -> None:
        self._exchange.close()


def forward(request: Request, upstream: Upstream) -> Response:
    """The application's answer, or the problem that stood in the way."""
    try:
        exchange = upstream.exchange(
            outgoing(request, upstream, ClientBody(request.body), request_framing(request.headers))
        )
    except ClientGone as gone:
        return gone.problem.to_answer()
    except (NotSent, Broke) as error:
        return failed(request.method, error).to_answer()
    return passed_on(exchange)


def outgoing(request: Request, upstream: Upstream, body: bytes | Body, framing: Framing) -> Outgoing:
    """The request as it goes on."""
    fields = to_upstream(request.headers, peer=request.peer, scheme=request.scheme, authority=upstream.authority)
    target = origin_form(request.target) or request.target  # what has no origin form was refused before
    return Outgoing(request.method, target, fields, body, framing)


def passed_on(exchange: Exchange) -> Response:
    """A response as it goes on."""
    return Response(exchange.status, exchange.reason, to_client(exchange.headers), Streamed(exchange))


def failed(method: str, error: NotSent | Broke) -> Problem:
    """What to tell the client of a request that has no answer."""
    if isinstance(error, NotSent):
        logger.warning("upstream_down", extra={"reason": str(error)})
        return UPSTREAM_DOWN
    problem = UPSTREAM_SLOW if isinstance(error, TooSlow) else UPSTREAM_BROKE
    logger.warning(problem.kind.replace("-", "_"), extra={"reason": str(error)})
    return replace(problem, effect=RequestEffect.NONE) if method in SAFE else problem
