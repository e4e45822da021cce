"""A bounded pool of connections, the one used last first: the idle rest ages and is closed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from threading import BoundedSemaphore
from typing import Generic, TypeVar

T = TypeVar("T")


class PoolExhausted(Exception):
    """Every connection stayed in use for as long as a caller may wait."""


class Pool(Generic[T]):
    """At most `size` in use or idle at once; whoever comes then waits up to `wait_s`. Safe across threads.

    `usable` is asked before an idle one is used again; one that is not is closed by `close`. `on_use` hears of
    each that comes into use (1) or is free again (-1).
    """

    def __init__(
        self,
        open_: Callable[[], T],
        usable: Callable[[T], bool],
        close: Callable[[T], None],
        *,
        size: int,
        wait_s: float,
        on_use: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._open, self._usable, self._close = open_, usable, close
        self._idle: deque[T] = deque()
        self._slots = BoundedSemaphore(size)
        self._wait_s = wait_s
        self._on_use = on_use

    def take(self, reuse: Callable[[T], bool] = lambda _: True) -> tuple[T, bool]:
        """One that belongs to the caller until `give` or `drop`, and whether it was used before.

        An idle one that `reuse` declines is closed, and so are those that are idle for longer.
        """
        if not self._slots.acquire(timeout=self._wait_s):
            raise PoolExhausted(f"no connection became free within {self._wait_s:g} s")
        self._on_use(1)
        try:
            for item in self._popped():
                if self._usable(item) and reuse(item):
                    return item, True
                self._close(item)
            return self._open(), False
        except BaseException:
            self._free()
            raise

    def give(self, item: T) -> None:
        """It is free and fit to be used again."""
        self._idle.append(item)
        self._free()

    def drop(self, item: T) -> None:
        """It is not fit to be used again."""
        try:
            self._close(item)
        finally:
            self._free()

    @contextmanager
    def lend(self) -> Iterator[T]:
        """One for the length of a `with`; dropped when that ends by an error."""
        item, _ = self.take()
        try:
            yield item
        except BaseException:
            self.drop(item)
            raise
        self.give(item)

    def _free(self) -> None:
        self._on_use(-1)
        self._slots.release()

    def _popped(self) -> Iterator[T]:
        while True:
            try:
                yield self._idle.pop()
            except IndexError:
                return


def silent(descriptor: int) -> bool:
    """Nothing has arrived on an idle connection. What arrives unasked is the peer's goodbye, or out of step."""
    watched = poll()
    watched.register(descriptor, POLLIN)
    return not watched.poll(0)
