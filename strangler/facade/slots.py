"""So many places; whoever comes when all are taken waits for a bounded time. Of one loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress


class Slots:
    """`on_use` hears of each that is taken (1) or free again (-1)."""

    def __init__(self, size: int, on_use: Callable[[int], None]) -> None:
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._on_use = on_use

    async def take(self, wait_s: float) -> bool:
        """Whether one became free in time; first come, first served."""
        if not self._free:
            return await self._turn(wait_s)
        self._free -= 1
        self._on_use(1)
        return True

    def give(self) -> None:
        """It is free: for the one that waits longest, who has it from now on."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
        self._on_use(-1)

    async def _turn(self, wait_s: float) -> bool:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it was given in this turn of the loop
                self.give()
            else:
                with suppress(ValueError):  # it was passed over in this turn of the loop
                    self._waiting.remove(turn)
            if isinstance(error, TimeoutError):
                return False
            raise
        return True
