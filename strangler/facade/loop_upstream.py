"""The application behind the facade: kept-alive connections, and what is known when one of them fails."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias
from urllib.parse import urlsplit

from strangler.errors import BadInput
from strangler.facade.base_path import BasePath
from strangler.facade.exchange import Broke, ClientGone, Exchange, HungUp, NotSent, TooSlow, patiently
from strangler.facade.facade_catalogue import Bounded, Sent
from strangler.facade.link import Gone, Late
from strangler.facade.measures import Measures
from strangler.facade.message import Body, Outgoing, values
from strangler.facade.response_reader import NAMED
from strangler.facade.slots import Slots
from strangler.facade.upstream_link import UpstreamLink
from strangler.facade.wire import LAST_CHUNK, ResponseHead, chunk, written

logger = logging.getLogger(__name__)

PORTS = {"http": 80, "https": 443}
# RFC 9110 section 9.2.2: these may be sent again when a kept-alive connection turns out to be closed.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
WRITES = frozenset({"PUT", "DELETE"})  # of these
# Servers close idle connections after 2 s (gunicorn), 5 s (Apache) and more. What may not be sent twice only goes
# over one that was used just now, so that it does not meet the closing.
REUSE_WITHIN_S = 1.0
REUSE_IDEMPOTENT_WITHIN_S = 30.0
FAILURES: dict[type[BaseException], Sent] = {
    NotSent: Sent.NOT_SENT,
    TooSlow: Sent.TOO_SLOW,
    ClientGone: Sent.CLIENT_GONE,
    asyncio.CancelledError: Sent.CLIENT_GONE,
}

OnInterim: TypeAlias = Callable[[ResponseHead], None]


HOSTS = ("host", "x-forwarded-host")  # of which applications make a place


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """The way to the application. Times are per wait: for a connection, for the next bytes.

    By https its certificate must be of the URL's host, signed by one of `ca_file`, or of the system's where that is
    None. `variable`: where an operator has set the URL.
    """

    url: str
    ca_file: str | None = None
    connections: int = 256
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 30.0
    wait_s: float = 2.0
    variable: str = "LEGACY_URL"

    def address(self) -> tuple[str, int]:
        """Host and port; `BadInput` for anything but HTTP or HTTPS to a host."""
        address = urlsplit(self.url)
        try:
            host, port = address.hostname, address.port or PORTS.get(address.scheme, 0)
        except ValueError:
            host, port = None, 0
        if address.scheme not in PORTS or not host or address.username is not None:
            raise self._bad()
        return host, port

    def base(self) -> BasePath:
        """Where its paths begin; `BadInput` for what is no plain path."""
        address = urlsplit(self.url)
        base = None if address.query or address.fragment else BasePath.of(address.path)
        if base is None:
            raise self._bad()
        return base

    def _bad(self) -> BadInput:
        address = urlsplit(self.url)
        seen = f"{address.scheme}://{address.netloc.rpartition('@')[2]}{address.path}"
        return BadInput(
            f"the application's address must be http://HOST:PORT, perhaps with https and a /BASE, found {seen!r}; "
            f"set {self.variable}"
        )

    def tls(self) -> ssl.SSLContext | None:
        """None for plain HTTP; `BadInput` for certificates that cannot be read, or that nobody would look at."""
        if urlsplit(self.url).scheme != "https":
            if self.ca_file is not None:
                raise BadInput("LEGACY_CA_FILE is for an application at https://...; say so in LEGACY_URL, or unset it")
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise BadInput(
                f"LEGACY_CA_FILE {self.ca_file!r} holds no certificates in PEM: {error.strerror or error}; name a file "
                "that does"
            ) from error


class LoopUpstream:
    """Sends requests to one application. Of one loop."""

    def __init__(self, settings: UpstreamSettings, loop: asyncio.AbstractEventLoop, measures: Measures) -> None:
        self._settings, self._loop, self._measures = settings, loop, measures
        self._host, self._port = settings.address()
        self._tls, self._base = settings.tls(), settings.base()
        self._slots = Slots(settings.connections, partial(measures.use, Bounded.UPSTREAM))
        self._idle: list[UpstreamLink] = []  # the one used last at the end

    async def exchange(
        self, outgoing: Outgoing, on_interim: OnInterim = lambda _: None, *, by: float = math.inf
    ) -> Exchange:
        """Send a request, return when the response's head is there. `NotSent`, `Broke` or `ClientGone`, else.

        At the loop's time `by` it is over, however the response trickles: nothing is sent later.

        Nothing is sent twice, but for this: an idempotent method without a body that must be streamed, when a
        kept-alive connection fails before a byte of the response has come, goes out once more on a new one.
        """
        with self._measures.exchange(FAILURES):
            again = outgoing.method in IDEMPOTENT and isinstance(outgoing.body, bytes)
            link, reused = await self._take(REUSE_IDEMPOTENT_WITHIN_S if again else REUSE_WITHIN_S)
            try:
                return await self._send(link, outgoing, on_interim, by)
            except HungUp as hung_up:
                if not (again and reused):
                    raise
                first = hung_up
            try:
                link, _ = await self._take(-1.0)
                return await self._send(link, outgoing, on_interim, by)
            except NotSent as error:
                if outgoing.method not in WRITES:
                    raise  # the application cannot have acted
                raise HungUp(f"{first}, and the second time nothing was sent: {error}") from error

    def close(self) -> None:
        """What is idle is closed."""
        while self._idle:
            self._idle.pop().abort()

    async def _take(self, within_s: float) -> tuple[UpstreamLink, bool]:
        if not await self._slots.take(self._settings.wait_s):
            raise NotSent(f"no connection became free within {self._settings.wait_s:g} s")
        try:
            youngest = self._loop.time() - within_s
            while self._idle:
                link = self._idle.pop()
                if link.idle_since >= youngest and link.usable():
                    return link, True
                link.abort()
            async with asyncio.timeout(self._settings.connect_timeout_s):
                _, link = await self._loop.create_connection(
                    lambda: UpstreamLink(self._loop), self._host, self._port, ssl=self._tls
                )
        except OSError as error:  # TimeoutError, too
            self._slots.give()
            raise NotSent(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self._slots.give()
            raise
        return link, False

    async def _send(self, link: UpstreamLink, outgoing: Outgoing, on_interim: OnInterim, by: float) -> Exchange:
        upload: asyncio.Task[None] | None = None
        if self._loop.time() >= by:
            link.abort()
            self._slots.give()
            raise NotSent("it took too long until there was a connection")
        try:
            streamed = None if isinstance(outgoing.body, bytes) else outgoing.body
            link.begin(outgoing.method, streams=streamed is not None)
            with suppress(Gone):  # then there is no answer either
                link.sent(self._head_of(outgoing) + (outgoing.body if isinstance(outgoing.body, bytes) else b""))
            if streamed is not None:
                upload = self._loop.create_task(self._upload(link, streamed, chunked=outgoing.framing.chunked))
            head = await self._head(link, on_interim, by)
            if self._base.path:
                hosts = [one for name in HOSTS for one in values(outgoing.headers, name)]
                head = replace(head, headers=self._base.shown(head.headers, hosts))
        except BaseException as error:
            hung_up = isinstance(error, Broke) and not link.answered
            if upload is not None:
                upload.cancel()
            self._settle(link, False)
            if isinstance(error, Late):
                raise TooSlow("no answer in time") from error
            if hung_up:
                raise HungUp("the connection ended before the answer") from error
            raise
        return Exchange(link, head, upload, self._settle, read_timeout_s=self._settings.read_timeout_s, by=by)

    async def _head(self, link: UpstreamLink, on_interim: OnInterim, by: float) -> ResponseHead:
        while True:
            event = await patiently(link, self._settings.read_timeout_s, by)
            if not isinstance(event, ResponseHead):
                raise Broke("a body without a head")
            if event.dropped:
                self._measures.dropped(len(event.dropped))
                told = {"status": event.status, "fields": len(event.dropped), "names": event.dropped[:NAMED]}
                logger.warning("response_fields_dropped", extra=told)
            if event.status >= 200:
                return event
            on_interim(event)

    def _head_of(self, outgoing: Outgoing) -> bytes:
        if self._base.path:
            outgoing = replace(outgoing, target=self._base.sent(outgoing.target))
        return head_of(outgoing)

    async def _upload(self, link: UpstreamLink, body: Body, *, chunked: bool) -> None:
        try:
            while piece := await body.read():
                link.touched = self._loop.time()
                await link.send(chunk(piece) if chunked else piece, link.touched + self._settings.read_timeout_s)
            if chunked:
                link.sent(LAST_CHUNK)
        except (ClientGone, Late) as error:
            link.fail(error)
        except Gone:
            pass  # it may have answered before it hung up; else the answer's absence is told

    def _settle(self, link: UpstreamLink, complete: bool) -> None:  # noqa: FBT001 - a callback of one flag
        if link.rest() and complete:
            self._idle.append(link)
        else:
            link.abort()
        self._slots.give()


def head_of(outgoing: Outgoing) -> bytes:
    """The raw target as it is. HTTP/1.1 asks for a Host: what came without one goes on as HTTP/1.0, which does not."""
    fields = list(outgoing.headers)
    version = "1.1" if any(name.lower() == "host" for name, _ in fields) else "1.0"
    if outgoing.framing.chunked:
        fields.append(("Transfer-Encoding", "chunked"))
    elif outgoing.framing.length is not None:
        fields.append(("Content-Length", str(outgoing.framing.length)))
    return written(f"{outgoing.method} {outgoing.target} HTTP/{version}", fields)
