"""The garbage collector of a process that only consumes: thousands of records wait in memory, and none is garbage.

With Python's settings the collector looks at the queued records, and at all that was imported, again and again: a
third of the runtime's time. Reference counts free what is done; cycles are still found, only less often.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Python's 700 are the objects of a few hundred records. About 40,000 wait where four partitions are full, of two or
# three objects each; with 20,000 the collector took up to 2.7 us a record.
YOUNG_OBJECTS = 100_000


@contextmanager
def rarely_collected() -> Iterator[None]:
    """Leave what exists alone, and collect after so many new objects, until the end of the block.

    It changes the whole process, so it is for whoever owns the process: call it around `ConsumerRuntime.run` in a
    program of yours, never in a library.
    """
    young, middle, old = before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(max(young, YOUNG_OBJECTS) if young else 0, middle, old)  # 0 = switched off by the process
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
