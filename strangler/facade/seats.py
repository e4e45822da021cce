"""A number for each worker of a facade, that the worker after it gets: by a lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from pathlib import Path


class Seats:
    """`count` of them, made before the fork. A seat is its worker's as long as that lives: the system takes the lock
    back from a process that is killed.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._locks, path = tempfile.mkstemp()
        Path(path).unlink()  # it is there as long as a process has it open
        weakref.finalize(self, os.close, self._locks)

    def take(self) -> int | None:
        """The first that is free, for the calling process; None where all are taken."""
        for seat in range(self.count):
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, seat)
            except OSError:
                continue
            return seat
        return None
