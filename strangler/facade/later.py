"""What the database could not be told when it was time is told later, one after the other, by one connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from strangler.errors import BadInput, DependencyDown
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.loop_database import LoopDatabase

logger = logging.getLogger(__name__)

EVERY_S = 0.5
MOST_WAITING = 100


@dataclass(frozen=True, slots=True)
class Owed:
    """`tell` says whether it is settled; it is tried until the loop's time `until`. `done` and `given_up` are what the
    log says then, "" for nothing.
    """

    tell: Callable[[LoopConnection], Awaitable[bool]]
    until: float
    reason: str
    done: str = ""
    given_up: str = ""


class Later:
    """One loop's. Bounded; whoever must wait for the database now never waits behind it for more than a statement."""

    def __init__(self, database: LoopDatabase, loop: asyncio.AbstractEventLoop) -> None:
        self._database, self._loop = database, loop
        self._owed: list[Owed] = []
        self._running: asyncio.Task[None] | None = None

    def add(self, owed: Owed) -> None:
        if len(self._owed) >= MOST_WAITING:
            _say(logging.WARNING, owed.given_up, owed.reason)
            return
        self._owed.append(owed)
        if self._running is None:
            self._running = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._owed:
                await asyncio.sleep(EVERY_S)
                await self._round()
        except asyncio.CancelledError:
            for one in self._owed:
                _say(logging.WARNING, one.given_up, one.reason)
            raise
        finally:
            self._running = None

    async def _round(self) -> None:
        """Up to the first that meets no database: the others would meet none either."""
        for one in list(self._owed):
            try:
                settled = await self._database.run(one.tell)
            except DependencyDown:
                break
            except BadInput:
                self._owed.remove(one)
                _say(logging.WARNING, one.given_up, one.reason)
                continue
            if settled:
                self._owed.remove(one)
                _say(logging.INFO, one.done, one.reason)
        now = self._loop.time()
        for one in [one for one in self._owed if now >= one.until]:
            self._owed.remove(one)
            _say(logging.WARNING, one.given_up, one.reason)


def _say(level: int, event: str, reason: str) -> None:
    if event:
        logger.log(level, event, extra={"reason": reason})
