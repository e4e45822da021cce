"""Something that blocks, running in a thread of its own for the length of a block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ENDED_WITHIN_S = 30.0


@contextmanager
def in_thread(run: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Stopped at the end, and it must end."""
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(ENDED_WITHIN_S)
        assert not thread.is_alive()
