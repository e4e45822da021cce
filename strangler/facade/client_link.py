"""A client's connection on the loop: its requests in order, each head and body within a time."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from strangler.facade.exchange import ClientGone
from strangler.facade.link import Gone, Late, LoopLink
from strangler.facade.message import Framing
from strangler.facade.problem import BODY_INCOMPLETE, BODY_SLOW, BODY_TOO_LARGE, HEAD_SLOW, Problem
from strangler.facade.request_reader import RequestReader
from strangler.facade.wire import ENDED, RequestEvent, RequestHead

LINGER_S = 2.0
LINGER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """What a client may take: between two requests; for a head; for a body, and a second more for each so many bytes of
    it; for taking something of an answer.
    """

    idle_s: float = 65.0
    head_s: float = 30.0
    body_s: float = 30.0
    body_bytes_per_s: float = 500.0
    answer_s: float = 30.0


class ClientLink(LoopLink[RequestEvent]):
    """`interruptible`: its task is given up when the client is gone. `closing`: it is answered, and no more asked.
    `waits`: for its next request, or for its leave. `body_by`: the loop's time by which this request's body is whole.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        patience: Patience,
        converse: Callable[[ClientLink], Coroutine[Any, Any, None]],
        on_gone: Callable[[ClientLink], None],
    ) -> None:
        super().__init__(loop)
        self.patience = patience
        self.peer = ""
        self.interruptible = True
        self.in_body = False
        self.closing = False
        self.waits = True
        self.task: asyncio.Task[None] | None = None
        self._converse, self._on_gone = converse, on_gone
        self._reader = RequestReader()
        self._discarded: int | None = None
        self._over = False
        self._body_bytes, self._body_waited_s = 0, 0.0
        self.body_by = math.inf

    @property
    def begun(self) -> bool:
        """A part of a request's head is there."""
        return self._reader.begun or self.ready()

    async def head(self, *, first: bool) -> RequestHead | Problem:
        """The next request's. `Gone`, or `Late` if nothing of one has come."""
        patience, self.waits = self.patience, True
        deadline = self.loop.time() + (patience.head_s if first else patience.idle_s)
        begun = first
        while not self.ready():
            if self._reader.begun and not begun:
                begun, deadline = True, self.loop.time() + patience.head_s
            try:
                await self.stir(deadline)
            except Late:
                if self._reader.begun:
                    return HEAD_SLOW
                raise
        event, self.waits = self.pop(), False
        if isinstance(event, RequestHead):
            self.in_body, self._body_bytes, self._body_waited_s, self.body_by = True, 0, 0.0, math.inf
            return event
        if isinstance(event, Problem):
            return event
        raise Gone("out of step")

    async def read(self) -> bytes:
        """The next piece of the body, an empty one is its end. `ClientGone`. Only the waiting for the client counts."""
        patience = self.patience
        allowed_s = patience.body_s + self._body_bytes / patience.body_bytes_per_s - self._body_waited_s
        began = self.loop.time()
        try:
            event = await self.next(min(began + allowed_s, self.body_by))
        except Late:
            raise ClientGone(BODY_SLOW) from None
        except Gone as gone:
            raise ClientGone(BODY_INCOMPLETE) from gone
        self._body_waited_s += self.loop.time() - began
        if isinstance(event, bytes):
            self._body_bytes += len(event)
            return event
        if event is ENDED:
            self.in_body = False
            return b""
        raise ClientGone(event if isinstance(event, Problem) else BODY_INCOMPLETE)

    async def whole(self, framing: Framing, limit_bytes: int) -> bytes | Problem:
        """The whole body, or why not."""
        if (framing.length or 0) > limit_bytes:
            return BODY_TOO_LARGE
        body = bytearray()
        try:
            while piece := await self.read():
                body += piece
                if len(body) > limit_bytes:
                    return BODY_TOO_LARGE
        except ClientGone as gone:
            return gone.problem
        return bytes(body)

    def skip_body(self) -> bool:
        """What is there of a body that nobody has read is dropped; whether the next request can be told from it."""
        while self.in_body and self.ready():
            event = self.pop()
            if event is ENDED:
                self.in_body = False
            elif isinstance(event, Problem):
                return False
        return not self.in_body

    async def linger(self) -> None:
        """Stop speaking so that the answer arrives: a client that still sends must not meet a reset before it has read
        it. `Late` when it takes nothing.
        """
        self.waits = True
        if self.gone or self.transport.is_closing():
            return
        self.transport.set_write_buffer_limits(high=0)
        with contextlib.suppress(Gone):
            await self.room(self.loop.time() + self.patience.answer_s)
            self._discarded = 0
            deadline = self.loop.time() + LINGER_S
            with contextlib.suppress(OSError, RuntimeError):  # it has left
                self.transport.write_eof()
                self.transport.resume_reading()
            while self._discarded < LINGER_BYTES:
                await self.stir(deadline)

    def end(self) -> None:
        """It is hung up on and its task given up, also where that has not begun."""
        self._over = True
        if self.task is not None:
            self.task.cancel()
        self.abort()

    # What the loop calls, by its names.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._over:
            self.abort()
            return
        # asyncio does so itself only where the listening socket's protocol was named. Without it an answer in two
        # pieces waits 40 ms for the client's acknowledgement of the first.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.task = self.loop.create_task(self._converse(self))

    def data_received(self, data: bytes) -> None:
        if self._discarded is not None:
            self._discarded += len(data)
            self.wake()
        else:
            self.put(self._reader.feed(data))

    def eof_received(self) -> bool:
        self.fail(Gone("it has said all"))
        return True  # it may still listen

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.task is None:
            self._on_gone(self)
            return
        self.task.add_done_callback(lambda _: self._on_gone(self))  # what is carried out for it goes on to its end
        if self.interruptible:
            self.end()
