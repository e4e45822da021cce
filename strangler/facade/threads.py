"""Calls that may block, off the loop: on so many threads, and no longer awaited than for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from strangler.facade.facade_catalogue import Bounded
from strangler.facade.measures import Measures
from strangler.facade.slots import Slots

R = TypeVar("R")


class ThreadsBusy(Exception):
    """No thread became free for as long as a caller may wait: nothing was called."""


class Threads:
    """Of one loop. A thread is taken on it, so that nothing queues where it cannot be refused."""

    def __init__(self, size: int, wait_s: float, measures: Measures) -> None:
        self._slots = Slots(size, partial(measures.use, Bounded.THREADS))
        self._threads = ThreadPoolExecutor(size, "off-loop")
        self._wait_s = wait_s

    async def run(self, call: Callable[[], R]) -> R:
        """What `call` returns or raises. `ThreadsBusy`; `TimeoutError` for one that hangs, which keeps its thread."""
        if not await self._slots.take(self._wait_s):
            raise ThreadsBusy(f"no thread became free within {self._wait_s:g} s")
        called = asyncio.get_running_loop().run_in_executor(self._threads, call)
        called.add_done_callback(self._free)
        done, _ = await asyncio.wait([called], timeout=self._wait_s)
        if not done:
            raise TimeoutError(f"it did not return within {self._wait_s:g} s")
        return called.result()

    def _free(self, called: asyncio.Future[R]) -> None:
        self._slots.give()
        if not called.cancelled():
            called.exception()  # whoever waits hears of it; where nobody does any more it is no error of asyncio's
