"""An answer of the application, read up to what may be kept; what is larger stays on its way."""

from __future__ import annotations

import math

from strangler.facade.exchange import Exchange
from strangler.facade.message import Streamed


async def read_answer(exchange: Exchange, most_bytes: int) -> tuple[bytes, Streamed | None]:
    """All of its body and None; or, where that is more, what was read and all of it, which may take its time. `Broke`
    where it is late.
    """
    piece, ended = exchange.ready()
    if ended and len(piece) <= most_bytes:
        return piece, None
    body = bytearray(piece)
    try:
        while not ended and len(body) <= most_bytes:
            piece = await exchange.read()
            body += piece
            ended = not piece
    except BaseException:
        exchange.close()
        raise
    if ended and len(body) <= most_bytes:
        return bytes(body), None
    exchange.by = math.inf
    return bytes(body), RestOfAnswer(bytes(body), exchange)


class RestOfAnswer:
    """An answer of which a part was read, to be streamed."""

    def __init__(self, head: bytes, exchange: Exchange) -> None:
        self._head, self._exchange = head, exchange
        self.uploading = False

    def ready(self) -> tuple[bytes, bool]:
        head, self._head = self._head, b""
        more, ended = self._exchange.ready()
        return head + more, ended

    async def read(self) -> bytes:
        return await self._exchange.read()

    def close(self) -> None:
        self._exchange.close()
