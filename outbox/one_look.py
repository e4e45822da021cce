"""One look at a time at what several may ask for at once: who asks meanwhile gets its result, or its failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from outbox.errors import DependencyDown

T = TypeVar("T")


class OneLook(Generic[T]):
    """Calls `look` in a thread of its own, never twice at once. Safe from every thread.

    Nobody waits beyond `limit_s` after a look began: then `DependencyDown` is raised, and so it is at once for who asks
    later while that look goes on. What a look raises is raised to everyone who waited for it.

    >>> OneLook(lambda: 7, limit_s=5.0)()
    7
    """

    def __init__(self, look: Callable[[], T], limit_s: float) -> None:
        self._look, self._limit_s = look, limit_s
        self._lock = threading.Lock()
        self._under_way: Future[T] | None = None
        self._ends_by = 0.0

    def __call__(self) -> T:
        with self._lock:
            if self._under_way is None or self._under_way.done():
                self._under_way, self._ends_by = self._begun(), time.monotonic() + self._limit_s
            asked, ends_by = self._under_way, self._ends_by
        try:
            return asked.result(max(0.0, ends_by - time.monotonic()))
        except TimeoutError as error:
            if asked.done():  # its own
                raise
            raise DependencyDown(
                f"no answer within {self._limit_s:g} s; it is still waited for, and nothing else is asked meanwhile"
            ) from error

    def _begun(self) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(self._look())
            except BaseException as error:  # noqa: BLE001 - the thread's edge: it is raised to who asked
                future.set_exception(error)

        # A daemon: what does not answer must not hold up the end of a process.
        threading.Thread(target=work, name="look", daemon=True).start()
        return future
