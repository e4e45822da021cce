"""One request and its response on a connection of http.client: framing, streaming, and what a failure means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse

from strangler.facade.client_body import ClientGone
from strangler.facade.message import Body, Framing, Headers, Outgoing
from strangler.facade.problem import BODY_INCOMPLETE

CHUNK_BYTES = 64 * 1024


class NotSent(Exception):
    """No byte of the request has left: the application cannot have acted."""


class Broke(Exception):
    """The application got the request, or a part of it, and did not answer to the end."""


class HungUp(Broke):
    """The connection was closed or reset before the response's head was complete."""


class TooSlow(Broke):
    """It did not answer in time."""


class Exchange:
    """A response whose head has arrived. Iterate for the body, in pieces as they come; close in any case."""

    def __init__(self, response: HTTPResponse, headers: Headers, settle: Callable[[bool], None]) -> None:
        self.status = response.status
        self.reason = response.reason
        self.headers = headers
        self._response = response
        self._settle = settle
        self._open = True
        self._complete = False

    def __iter__(self) -> Iterator[bytes]:
        remaining = self._response.length
        while remaining is None or remaining > 0:
            piece = self._read(CHUNK_BYTES if remaining is None else min(CHUNK_BYTES, remaining))
            if not piece:
                break
            remaining = None if remaining is None else remaining - len(piece)
            if remaining == 0:
                self._finish()  # before the client has all: its next request finds the connection free
            yield piece
        if remaining:
            raise Broke(f"the answer broke off: {remaining} bytes short")
        self._finish()

    def _read(self, size: int) -> bytes:
        try:
            return self._response.read1(size)
        except TimeoutError as error:
            raise TooSlow("the answer stopped in the middle") from error
        except (OSError, HTTPException) as error:
            raise Broke(f"the answer broke off: {type(error).__name__}") from error

    def _finish(self) -> None:
        self._complete = True
        self.close()

    def close(self) -> None:
        """The connection is used again only after a complete answer."""
        if self._open:
            self._open = False
            self._response.close()
            self._settle(self._complete)


def put_head(connection: HTTPConnection, outgoing: Outgoing) -> None:
    """The raw target as it is: no quoting, no normalising; no Host and no Accept-Encoding of http.client's own."""
    connection.putrequest(outgoing.method, outgoing.target, skip_host=True, skip_accept_encoding=True)
    for name, value in outgoing.headers:
        connection.putheader(name, value)
    if outgoing.framing.chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    elif outgoing.framing.length is not None:
        connection.putheader("Content-Length", str(outgoing.framing.length))


def send_body(connection: HTTPConnection, body: bytes | Body, framing: Framing) -> None:
    if isinstance(body, bytes):
        connection.endheaders(body or None)
        return
    connection.endheaders()
    remaining = framing.length or 0
    while framing.chunked or remaining > 0:
        piece = body.read(CHUNK_BYTES if framing.chunked else min(CHUNK_BYTES, remaining))
        if not piece:
            break
        remaining -= len(piece)
        connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if framing.chunked else piece)
    if framing.chunked:
        connection.send(b"0\r\n\r\n")
    elif remaining:
        raise ClientGone(BODY_INCOMPLETE)
