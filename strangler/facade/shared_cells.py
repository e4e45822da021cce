"""Numbers that several processes count and each of them can add up: a row in shared memory for each worker."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import weakref
from collections.abc import Sequence
from mmap import mmap
from pathlib import Path

logger = logging.getLogger(__name__)

SPARE_ROWS = 4
_BYTES = 8


class SharedCells:
    """Made before the fork. What a dead worker has counted stays: who comes after it counts on in its row.

    A row is its worker's as long as that holds a lock, which the system takes back from a process that is killed.
    """

    def __init__(self, width: int, workers: int) -> None:
        self._width = width
        self._rows = 2 * workers + SPARE_ROWS  # on a reload each worker may still be there beside the one after it
        self._memory = memoryview(mmap(-1, _BYTES * width * self._rows)).cast("d")
        self._locks, path = tempfile.mkstemp()
        Path(path).unlink()  # it is there as long as a process has it open
        weakref.finalize(self, os.close, self._locks)

    def take_row(self, reset: Sequence[int]) -> memoryview[float]:
        """A row for the calling process, with these cells at 0: what they told was of a process that is gone.

        Where all are taken, one that nobody adds up: a worker must not fail for its metrics.
        """
        for row in range(self._rows):
            try:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError:
                continue
            cells = self._row(row)
            for cell in reset:
                cells[cell] = 0.0
            return cells
        logger.error("metrics_row_missing", extra={"rows": self._rows})
        return memoryview(bytearray(_BYTES * self._width)).cast("d")

    def total(self) -> list[float]:
        """Each cell, over all rows."""
        return [sum(column) for column in zip(*(self._row(row) for row in range(self._rows)), strict=True)]

    def _row(self, row: int) -> memoryview[float]:
        return self._memory[row * self._width : (row + 1) * self._width]
