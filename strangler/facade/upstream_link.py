"""A connection to the application on the loop: a request goes out, and its response is read to the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Iterator

from strangler.facade.link import LoopLink, Silence
from strangler.facade.response_reader import BadResponse, ResponseReader
from strangler.facade.wire import ResponseEvent

_PIECE_BYTES = 64 * 1024


class UpstreamLink(LoopLink[ResponseEvent]):
    """`touched` is when bytes last moved, by the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.touched = self.idle_since = loop.time()
        self._reader: ResponseReader | None = None
        self._spare = -1

    @property
    def answered(self) -> bool:
        """A byte of the response has come."""
        return self._reader is not None and self._reader.begun

    def usable(self) -> bool:
        """Nothing has come on it since it is idle: that would be a goodbye, or out of step."""
        return not self.gone and not self.transport.is_closing() and bool(self._silence)

    def begin(self, method: str, *, streams: bool) -> None:
        """A request is about to go out; of one that `streams` its body the answer may come before its end."""
        self._reader = ResponseReader(method)
        self.touched = self.loop.time()
        if streams and self.transport.get_extra_info("sslcontext") is None:  # what is enciphered nobody else can read
            self._spare = os.dup(self._descriptor)

    def sent(self, data: bytes) -> None:
        self.touched = self.loop.time()
        self.write(data)

    def rest(self) -> bool:
        """The response is complete; whether the connection may carry another request."""
        reader, self._reader = self._reader, None
        self._drop_spare()
        self.idle_since = self.loop.time()
        return reader is not None and reader.reusable and not self.gone and not self.ready()

    def abort(self) -> None:
        self._drop_spare()
        self._reader = None
        super().abort()

    # What the loop calls, by its names.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._descriptor = int(transport.get_extra_info("socket").fileno())
        self._silence = Silence(self._descriptor)

    def data_received(self, data: bytes) -> None:
        self.touched = self.loop.time()
        if self._reader is None:  # what comes unasked must not become the next answer
            self.abort()
            return
        if not self.failed:
            self._put(self._reader.feed(data))

    def eof_received(self) -> None:
        self._closed(cut=self._cut_off())

    def connection_lost(self, exc: Exception | None) -> None:
        ended = self._read_the_rest()
        self._closed(cut=not ended and (exc is not None or self._cut_off()))
        super().connection_lost(exc)

    def _closed(self, *, cut: bool) -> None:
        if self._reader is not None and not self.failed:
            self._put(self._reader.close(cut=cut))

    def _cut_off(self) -> bool:
        """By TLS who ends says so (RFC 8446 section 6.1): without it, anybody on the way may have cut it off."""
        secured: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if secured is None:
            return False
        try:
            return secured.read(1) != b""  # a goodbye alone reads as the end
        except ssl.SSLError:
            return True

    def _put(self, events: Iterator[ResponseEvent]) -> None:
        try:
            self.put(events)
        except BadResponse as bad:
            self.fail(bad)

    def _read_the_rest(self) -> bool:
        """A write that fails ends a connection at once, and an answer may be there that nobody has read yet; whether
        its end was.
        """
        ended = False
        if self._spare >= 0 and self._reader is not None:
            with contextlib.suppress(OSError):
                while data := os.read(self._spare, _PIECE_BYTES):
                    self.data_received(data)
                ended = True
        self._drop_spare()
        return ended

    def _drop_spare(self) -> None:
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1
