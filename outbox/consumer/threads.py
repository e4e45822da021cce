"""The threads of a runtime. What ends one of them is kept for the thread that started them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from outbox.errors import OutboxError


class Threads:
    """Started once. `failed` is set when a body has raised; then `on_failure` is called, from that body's thread."""

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
        self.failed = threading.Event()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []

    def started(self) -> bool:
        return bool(self._threads)

    def start(self, bodies: Iterable[tuple[str, Callable[[], None]]]) -> None:
        """A thread for each body, by its name."""
        for name, body in bodies:
            thread = threading.Thread(target=self._guarded, args=(body,), name=f"outbox-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self, within_s: float) -> None:
        """Wait for their end; who has not ended by then is left behind."""
        deadline = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def raise_failure(self) -> None:
        """What a body raised last; nothing if none did. What would end a process without a word is an `OutboxError`."""
        failure = self._failure
        if failure is None:
            return
        if isinstance(failure, Exception):
            raise failure
        raise OutboxError(
            f"{type(failure).__name__} of a handler ended the consumer; let it raise an Exception, and end with stop()"
        ) from failure

    def _guarded(self, body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001 - a thread's edge: `raise_failure` raises it
            self._failure = error
            self.failed.set()
            self._on_failure()
