"""The application as a thread asks it: the loop sends and reads, the thread waits."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from strangler.facade.exchange import Exchange, TooSlow
from strangler.facade.loop_upstream import LoopUpstream
from strangler.facade.message import Outgoing, Streamed


@dataclass(frozen=True, slots=True)
class Said:
    """`body`: all of it where `rest` is None; else too much, and `rest` is all of it."""

    head: Exchange
    body: bytes
    rest: Streamed | None


class Upstream:
    """Safe across threads, but for the loop's own. Every wait is bounded on the loop."""

    def __init__(self, upstream: LoopUpstream, loop: asyncio.AbstractEventLoop) -> None:
        self._upstream, self._loop = upstream, loop

    def ask(self, outgoing: Outgoing, *, most_bytes: int, within_s: float) -> Said:
        """Send a request whose body is whole, read its answer. `NotSent` or `Broke`; `TooSlow` when it trickles."""
        asking = self._ask(outgoing, most_bytes, within_s)
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()

    async def _ask(self, outgoing: Outgoing, most_bytes: int, within_s: float) -> Said:
        exchange = await self._upstream.exchange(outgoing)
        piece, ended = exchange.ready()
        body = bytearray(piece)
        try:
            async with asyncio.timeout(within_s):
                while not ended and len(body) <= most_bytes:
                    piece = await exchange.read()
                    body += piece
                    ended = not piece
        except BaseException as error:
            exchange.close()
            if isinstance(error, TimeoutError):
                raise TooSlow(f"the answer was not complete after {within_s:g} s") from error
            raise
        whole = ended and len(body) <= most_bytes
        return Said(exchange, bytes(body), None if whole else RestOfAnswer(bytes(body), exchange, self._loop))


class RestOfAnswer:
    """An answer of which a part was read, to be streamed on the loop; `close` from any thread."""

    def __init__(self, head: bytes, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self._head, self._exchange, self._loop = head, exchange, loop
        self.uploading = False

    def ready(self) -> tuple[bytes, bool]:
        head, self._head = self._head, b""
        more, ended = self._exchange.ready()
        return head + more, ended

    async def read(self) -> bytes:
        return await self._exchange.read()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._exchange.close)
