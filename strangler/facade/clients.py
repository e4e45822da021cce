"""The clients of one socket: at most so many, of which those that only wait make room, and an end for all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from strangler.facade.client_link import ClientLink, Patience

logger = logging.getLogger(__name__)


class Clients:
    """`on_use` hears of each that comes (1) or has gone, its request at its end (-1).

    `on_evicted` hears of each that was hung up on for another.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        patience: Patience,
        converse: Callable[[ClientLink], Coroutine[Any, Any, None]],
        *,
        most: int,
        on_use: Callable[[int], None] = lambda _: None,
        on_evicted: Callable[[], None] = lambda: None,
    ) -> None:
        self._loop, self._patience, self._converse = loop, patience, converse
        self._most, self._on_use, self._on_evicted = most, on_use, on_evicted
        self._links: dict[ClientLink, None] = {}  # in the order in which they came
        self._none = asyncio.Event()

    def link(self) -> ClientLink:
        """For a connection that was just accepted."""
        if len(self._links) >= self._most:
            self._evict()
        link = ClientLink(self._loop, self._patience, self._converse, self._forget)
        self._links[link] = None
        self._on_use(1)
        return link

    async def close(self, within_s: float) -> bool:
        """Those that wait between requests are hung up on, the others after their answer; whether all are gone."""
        for link in list(self._links):
            link.closing = True
            if link.waits and not link.begun:
                link.end()
        if self._links:
            self._none.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._none.wait()
        return not self._links

    def _evict(self) -> None:
        """The oldest without a complete request: however many send half a head or none, the next one is heard."""
        oldest = next((link for link in self._links if link.waits and not link.ready()), None)
        if oldest is None:
            logger.warning("clients_all_busy", extra={"clients": len(self._links)})
            return
        logger.info("client_evicted", extra={"clients": len(self._links), "half": oldest.begun})
        self._on_evicted()
        self._forget(oldest)
        oldest.end()

    def _forget(self, link: ClientLink) -> None:
        if link in self._links:
            del self._links[link]
            self._on_use(-1)
        if not self._links:
            self._none.set()
