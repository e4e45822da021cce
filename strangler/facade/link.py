"""One connection on the loop: what its reader made of the bytes, in order, and back-pressure both ways."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from select import POLLIN, poll
from typing import Generic, TypeVar, cast

Event = TypeVar("Event")

MOST_WAITING_BYTES = 256 * 1024  # before the other side has taken them: then reading rests
_TICK_S = 0.001  # of uvloop's clock
_PIECE_BYTES, _EVENT_BYTES = 64, 4096  # about what a piece of a body takes beside its bytes, and a head or an end


class Late(Exception):
    """Nothing came until the deadline."""


class Gone(Exception):
    """The other end has hung up, and all that it had said is read."""


class LoopLink(asyncio.Protocol, Generic[Event]):
    """Of one task, which reads events and writes bytes; a subclass makes events of bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.gone = False
        self._events: deque[Event] = deque()
        self._waiting_bytes = 0
        self._rests = False
        self._error: Exception | None = None
        self._reading: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._can_write = True
        self._transport: asyncio.Transport | None = None

    @property
    def transport(self) -> asyncio.Transport:
        if self._transport is None:
            raise Gone("not connected")
        return self._transport

    @property
    def failed(self) -> bool:
        return self._error is not None

    def ready(self) -> bool:
        """An event is there."""
        return bool(self._events)

    def put(self, events: Iterable[Event]) -> None:
        """They have arrived."""
        for event in events:
            self._events.append(event)
            self._waiting_bytes += _weight(event)
        if not self._rests and self._waiting_bytes > MOST_WAITING_BYTES:
            self._rests = True
            with contextlib.suppress(RuntimeError):  # it is closing
                self.transport.pause_reading()
        self.wake()

    def pop(self) -> Event:
        """The next event, which is there."""
        event = self._events.popleft()
        self._waiting_bytes -= _weight(event)
        if self._rests and self._waiting_bytes <= MOST_WAITING_BYTES // 2:
            self._rests = False
            with contextlib.suppress(RuntimeError):  # it is closing
                self.transport.resume_reading()
        return event

    def fail(self, error: Exception) -> None:
        """There will be no more events; once those that are there are read, this is raised."""
        self._error = self._error or error
        self.wake()

    def wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    async def next(self, deadline: float) -> Event:
        """The next event. `Late`; or what it failed with."""
        while not self._events:
            await self.stir(deadline)
        return self.pop()

    async def stir(self, deadline: float) -> None:
        """Until something has come; `Late` after the deadline, by the loop's clock."""
        if self._error is not None:
            raise self._error
        self._reading, self._deadline = self.loop.create_future(), deadline
        if self._timer is None or self._timer.when() > deadline:
            self._stop_timer()
            self._timer = self.loop.call_at(deadline, self._look)
        try:
            await self._reading
        finally:
            self._reading = None

    def _look(self) -> None:
        """One timer for many waits, of which nearly all end long before it."""
        self._timer = None
        if self._reading is not None and not self._reading.done():
            if self.loop.time() >= self._deadline - _TICK_S:
                self._reading.set_exception(Late)
            else:
                self._timer = self.loop.call_at(self._deadline, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def send(self, data: bytes, deadline: float) -> None:
        """Written, and room for more. `Late` when the other end takes nothing until then; `Gone`."""
        self.write(data)
        if not self._can_write:
            await self.room(deadline)

    def write(self, data: bytes) -> None:
        if self.gone:
            raise Gone("hung up")
        self.transport.write(data)

    def abort(self) -> None:
        """Hang up at once."""
        if not self.gone and self._transport is not None:
            self._transport.abort()

    async def room(self, deadline: float) -> None:
        """The other end has taken enough of what was written. `Late`, `Gone`."""
        while not self._can_write and not self.gone:
            self._writing = self.loop.create_future()
            timer = self.loop.call_at(deadline, _expire, self._writing)
            try:
                await self._writing
            finally:
                timer.cancel()
                self._writing = None
        if self.gone:
            raise Gone("hung up")

    # What the loop calls, by its names.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - which way it ended makes no difference
        self.gone = True
        self._stop_timer()
        self.fail(Gone("hung up"))
        self.resume_writing()

    def pause_writing(self) -> None:
        self._can_write = False

    def resume_writing(self) -> None:
        self._can_write = True
        if self._writing is not None and not self._writing.done():
            self._writing.set_result(None)


class Silence:
    """Of an idle connection. What arrives unasked is the peer's goodbye, or out of step."""

    def __init__(self, descriptor: int) -> None:
        self._watched = poll()
        self._watched.register(descriptor, POLLIN)

    def __bool__(self) -> bool:
        """Nothing has arrived until now."""
        return not self._watched.poll(0)


def _weight(event: object) -> int:
    return len(event) + _PIECE_BYTES if isinstance(event, bytes) else _EVENT_BYTES


def _expire(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(Late)
