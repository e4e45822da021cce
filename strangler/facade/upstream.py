"""The application behind the facade: kept-alive connections, and what is known when one of them fails."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from strangler.errors import BadInput
from strangler.facade.client_body import ClientGone
from strangler.facade.exchange import Broke, Exchange, HungUp, NotSent, TooSlow, put_head, send_body
from strangler.facade.facade_catalogue import Bounded, Sent
from strangler.facade.headers import bad_response_framing
from strangler.facade.measures import Measures
from strangler.facade.message import Outgoing
from strangler.facade.pool import Pool, PoolExhausted, silent

# RFC 9110 section 9.2.2: these may be sent again when a kept-alive connection turns out to be closed.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
# Servers close idle connections after 2 s (gunicorn), 5 s (Apache) and more. What may not be sent twice only goes
# over one that was used just now, so that it does not meet the closing.
REUSE_WITHIN_S = 1.0
REUSE_IDEMPOTENT_WITHIN_S = 30.0
FAILURES = {NotSent: Sent.NOT_SENT, TooSlow: Sent.TOO_SLOW, ClientGone: Sent.CLIENT_GONE}


@dataclass(slots=True)
class _Kept:
    connection: HTTPConnection
    idle_since: float


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """The way to the application. Times are per wait: for a connection, for the next bytes."""

    url: str
    connections: int = 32
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 30.0
    wait_s: float = 2.0

    def address(self) -> tuple[str, int, str]:
        """Host, port, and what a Host header says; `BadInput` for anything but plain HTTP to a host."""
        address = urlsplit(self.url)
        try:
            host, port = address.hostname, address.port or 80
        except ValueError:
            host, port = None, 0
        if address.scheme != "http" or not host or address.username is not None or address.path.strip("/"):
            seen = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
            raise BadInput(f"the application's address must be http://HOST:PORT, found {seen!r}; set LEGACY_URL")
        return host, port, address.netloc


class Upstream:
    """Sends requests to one application. Safe across threads."""

    def __init__(self, settings: UpstreamSettings, measures: Measures) -> None:
        self._host, self._port, self.authority = settings.address()
        self._settings = settings
        self._measures = measures
        in_use = partial(measures.use, Bounded.UPSTREAM)
        self._pool = Pool(
            self._connect, _usable, _close, size=settings.connections, wait_s=settings.wait_s, on_use=in_use
        )

    def exchange(self, outgoing: Outgoing) -> Exchange:
        """Send a request, return when the response's head is there. `NotSent` or `Broke`, else.

        Nothing is sent twice, but for this: an idempotent method without a body that must be streamed, when a
        kept-alive connection fails before a byte of the response has come, goes out once more on a new one.
        """
        with self._measures.exchange(FAILURES):
            return self._exchanged(outgoing)

    def _exchanged(self, outgoing: Outgoing) -> Exchange:
        streamed = not isinstance(outgoing.body, bytes) and not outgoing.framing.empty
        again = outgoing.method in IDEMPOTENT and not streamed
        kept, reused = self._take(REUSE_IDEMPOTENT_WITHIN_S if again else REUSE_WITHIN_S)
        try:
            return self._send(kept, outgoing)
        except HungUp:
            if not (again and reused):
                raise
        kept, _ = self._take(-1.0)
        return self._send(kept, outgoing)

    def _take(self, within_s: float) -> tuple[_Kept, bool]:
        youngest = time.monotonic() - within_s
        try:
            return self._pool.take(lambda kept: kept.idle_since >= youngest)
        except (OSError, PoolExhausted) as error:
            raise NotSent(f"{type(error).__name__}: {error}") from error

    def _send(self, kept: _Kept, outgoing: Outgoing) -> Exchange:
        try:
            return self._exchange(kept, outgoing)
        except BaseException as error:
            self._pool.drop(kept)
            if isinstance(error, TimeoutError):
                raise TooSlow("no answer in time") from error
            if isinstance(error, ConnectionError):
                raise HungUp("the connection ended before the answer") from error
            if isinstance(error, (OSError, HTTPException)):
                raise Broke(f"{type(error).__name__} before the answer's head") from error
            raise

    def _exchange(self, kept: _Kept, outgoing: Outgoing) -> Exchange:
        connection = kept.connection
        refused = False
        put_head(connection, outgoing)
        try:
            send_body(connection, outgoing.body, outgoing.framing)
        except (BrokenPipeError, ConnectionResetError):
            refused = True  # it may have answered (413) and closed without reading the rest
        response = connection.getresponse()
        # A folded value (RFC 9112 section 5.2) goes on as one line.
        fields = [(name, " ".join(value.split("\r\n"))) for name, value in response.getheaders()]
        if response.status < 200 or bad_response_framing(fields):
            raise HTTPException(f"an answer that cannot be passed on: status {response.status}")

        def settle(complete: bool) -> None:  # noqa: FBT001 - a callback of one flag
            if complete and not refused and connection.sock is not None:
                kept.idle_since = time.monotonic()
                self._pool.give(kept)
            else:
                self._pool.drop(kept)

        return Exchange(response, fields, settle)

    def _connect(self) -> _Kept:
        connection = HTTPConnection(self._host, self._port, timeout=self._settings.connect_timeout_s)
        connection.connect()
        connection.sock.settimeout(self._settings.read_timeout_s)
        return _Kept(connection, time.monotonic())


def _usable(kept: _Kept) -> bool:
    return kept.connection.sock is not None and silent(kept.connection.sock.fileno())


def _close(kept: _Kept) -> None:
    with contextlib.suppress(OSError):
        kept.connection.close()
