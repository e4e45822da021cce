"""One request and its response on a connection to the application: what has arrived of it, and what a failure means."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from strangler.facade.link import Gone, Late
from strangler.facade.problem import Problem
from strangler.facade.response_reader import BadResponse
from strangler.facade.upstream_link import UpstreamLink
from strangler.facade.wire import MessageEnd, ResponseHead


class NotSent(Exception):
    """No byte of the request has left: the application cannot have acted."""


class Broke(Exception):
    """The application got the request, or a part of it, and did not answer to the end."""


class HungUp(Broke):
    """The connection was closed or reset before a byte of the response had come."""


class TooSlow(Broke):
    """It did not answer in time."""


class ClientGone(Exception):
    """The client stopped in the middle of its body. `problem` is what it is told if it still listens."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind)
        self.problem = problem


class Exchange:
    """A response whose head has arrived. Of one task; close in any case. `settle` hears whether it was complete.

    `by`: the loop's time until which it may take.
    """

    def __init__(
        self,
        link: UpstreamLink,
        head: ResponseHead,
        upload: asyncio.Task[None] | None,
        settle: Callable[[UpstreamLink, bool], None],
        *,
        read_timeout_s: float,
        by: float,
    ) -> None:
        self.status, self.reason, self.headers = head.status, head.reason, head.headers
        self._link, self._upload, self._settle = link, upload, settle
        self._read_timeout_s, self.by = read_timeout_s, by
        self._open = True

    @property
    def uploading(self) -> bool:
        """The request's body is still on its way."""
        return self._open and self._upload is not None and not self._upload.done()

    def ready(self) -> tuple[bytes, bool]:
        """What of the body is there already, and whether that is its end."""
        pieces = []
        while self._open and self._link.ready():
            pieces.append(self._taken(self._link.pop()))
        return b"".join(pieces), not self._open

    async def read(self) -> bytes:
        """The next piece; an empty one is the end. `Broke`, or `ClientGone` if the request's body ended too early."""
        if not self._open:
            return b""
        try:
            return self._taken(await patiently(self._link, self._read_timeout_s, self.by))
        except Late as error:
            raise TooSlow("the answer was not complete in time") from error

    def close(self) -> None:
        """The connection is used again only after a complete answer to a complete request."""
        self._close(complete=False)

    def _taken(self, event: ResponseHead | bytes | MessageEnd) -> bytes:
        if isinstance(event, bytes):
            return event
        self._close(complete=self._upload is None or self._upload.done())
        return b""

    def _close(self, *, complete: bool) -> None:
        if self._open:
            self._open = False
            if self._upload is not None:
                self._upload.cancel()
            self._settle(self._link, complete)


async def patiently(link: UpstreamLink, within_s: float, by: float = math.inf) -> ResponseHead | bytes | MessageEnd:
    """The next event. `Broke`; `Late` after so many seconds in which nothing moved, in either direction, or at the
    loop's time `by`.
    """
    while True:
        touched = link.touched
        try:
            return await link.next(min(touched + within_s, by))
        except Late:
            if link.touched == touched or link.loop.time() >= by:
                raise
        except (Gone, BadResponse) as error:
            raise Broke(str(error)) from error
