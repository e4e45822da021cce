"""One client's requests, one after the other, and their answers, framed for that client and streamed."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol

from strangler.facade.answer_head import answer_head
from strangler.facade.client_link import ClientLink
from strangler.facade.exchange import Broke, ClientGone
from strangler.facade.link import Gone, Late
from strangler.facade.message import Response, options
from strangler.facade.problem import CODED_FOR_1_0, Problem
from strangler.facade.wire import LAST_CHUNK, RequestHead, chunk

logger = logging.getLogger(__name__)


class Answering(Protocol):
    """Who is behind a socket."""

    async def answer(self, head: RequestHead, client: ClientLink) -> Response: ...

    def refused(self, answer: Response) -> None:
        """What came was no request; this is said about it."""


async def converse(client: ClientLink, answers: Answering) -> None:
    """Until the client has left, or shall not ask for more."""
    try:
        with suppress(Gone):  # it has said all, and may still listen
            first = True
            while await _one(client, answers, first=first):
                first = False
        await client.linger()
    except Late:
        pass  # it says nothing, or takes nothing
    except Exception:
        logger.exception("conversation_failed")
    finally:
        client.abort()


async def _one(client: ClientLink, answers: Answering, *, first: bool) -> bool:
    """A request and its answer; whether another one may follow."""
    head = await client.head(first=first)
    if isinstance(head, Problem):
        answer = head.to_answer()
        answers.refused(answer)
        return await _send(client, answer, None)
    answer = await answers.answer(head, client)
    if not head.http_1_1 and options(answer.headers, "transfer-encoding"):
        _close(answer)
        answer = CODED_FOR_1_0.to_answer()
    try:
        return await _send(client, answer, head)
    except (Broke, ClientGone) as broke:
        logger.warning("answer_truncated", extra={"reason": str(broke)})
        client.abort()  # the client must not take a part for the whole
        return False
    finally:
        _close(answer)


async def _send(client: ClientLink, answer: Response, request: RequestHead | None) -> bool:
    """Whether another request may follow."""
    streamed = None if isinstance(answer.body, bytes) else answer.body
    at_end = not (streamed is not None and streamed.uploading) and client.skip_body()
    keeps = at_end and request is not None and request.keeps and not client.closing
    head = answer_head(answer, request, keeps=keeps, date=_date(int(time.time())))
    if isinstance(answer.body, bytes):
        piece, ended = answer.body if head.body else b"", True
    else:
        piece, ended = answer.body.ready()
    data = head.data + (chunk(piece) if head.chunked else piece)
    while streamed is not None and not ended:
        await _put(client, data)
        piece = await streamed.read()
        ended, data = not piece, chunk(piece) if head.chunked else piece
    await _put(client, data + (LAST_CHUNK if head.chunked else b""))
    return head.keeps


async def _put(client: ClientLink, data: bytes) -> None:
    if data:
        try:
            await client.send(data, client.loop.time() + client.patience.answer_s)
        except Late:
            logger.warning("client_takes_nothing", extra={"for_s": client.patience.answer_s})
            raise


def _close(answer: Response) -> None:
    if not isinstance(answer.body, bytes):
        answer.body.close()


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
