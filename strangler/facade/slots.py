"""So many places; whoever comes when all are taken waits for a bounded time. Of one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Slots:
    """`on_use` hears of each that is taken (1) or free again (-1)."""

    def __init__(self, size: int, on_use: Callable[[int], None]) -> None:
        self._free = asyncio.Semaphore(size)
        self._on_use = on_use

    async def take(self, wait_s: float) -> bool:
        """Whether one became free in time; first come, first served."""
        if self._free.locked():
            try:
                async with asyncio.timeout(wait_s):
                    await self._free.acquire()
            except TimeoutError:
                return False
        else:
            await self._free.acquire()
        self._on_use(1)
        return True

    def give(self) -> None:
        """It is free."""
        self._on_use(-1)
        self._free.release()
