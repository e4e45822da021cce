"""Transparent forwarding: what the plan does not own goes to the application and back, streamed both ways."""

from __future__ import annotations

import logging
from dataclasses import replace

from strangler.facade.exchange import Broke, ClientGone, NotSent, TooSlow
from strangler.facade.headers import to_client, to_upstream
from strangler.facade.loop_upstream import LoopUpstream, OnInterim
from strangler.facade.message import Body, Framing, Outgoing, Request, Response
from strangler.facade.problem import UPSTREAM_BROKE, UPSTREAM_DOWN, UPSTREAM_SLOW, Problem, RequestEffect
from strangler.facade.targets import origin_form

logger = logging.getLogger(__name__)

DEGRADE = "Strangler-Degrade"  # a client's own goes no further than here
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1: they change nothing


async def forward(
    request: Request, body: bytes | Body, framing: Framing, upstream: LoopUpstream, on_interim: OnInterim
) -> Response:
    """The application's answer, or the problem that stood in the way."""
    try:
        exchange = await upstream.exchange(outgoing(request, body, framing), on_interim)
    except ClientGone as gone:
        return gone.problem.to_answer()
    except (NotSent, Broke) as error:
        return failed(request.method, error).to_answer()
    return Response(exchange.status, exchange.reason, to_client(exchange.headers), exchange)


def outgoing(request: Request, body: bytes | Body, framing: Framing) -> Outgoing:
    """The request as it goes on. Whoever has the whole body need not ask whether it is wanted."""
    fields = to_upstream(request.headers, peer=request.peer, scheme=request.scheme)
    if body and isinstance(body, bytes):
        fields = [field for field in fields if field[0].lower() != "expect"]
    if request.degrade:
        fields.append((DEGRADE, ", ".join(request.degrade)))
    target = origin_form(request.target) or request.target  # what has no origin form was refused before
    return Outgoing(request.method, target, fields, body, framing)


def failed(method: str, error: NotSent | Broke) -> Problem:
    """What to tell the client of a request that has no answer."""
    if isinstance(error, NotSent):
        logger.warning("upstream_down", extra={"reason": str(error)})
        return UPSTREAM_DOWN
    problem = UPSTREAM_SLOW if isinstance(error, TooSlow) else UPSTREAM_BROKE
    logger.warning(problem.kind.replace("-", "_"), extra={"reason": str(error)})
    return replace(problem, effect=RequestEffect.NONE) if method in SAFE else problem
