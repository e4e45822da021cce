"""Numbers that several processes count and each of them can add up: a row in shared memory for each worker."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from mmap import mmap

from strangler.facade.seats import Seats

logger = logging.getLogger(__name__)

SPARE_ROWS = 4
_BYTES = 8


class SharedCells:
    """Made before the fork. What a dead worker has counted stays: who comes after it counts on in its row.

    A row goes with a seat.
    """

    def __init__(self, width: int, workers: int) -> None:
        self._width = width
        self._rows = 2 * workers + SPARE_ROWS  # on a reload each worker may still be there beside the one after it
        self._memory = memoryview(mmap(-1, _BYTES * width * self._rows)).cast("d")
        self._seats = Seats(self._rows)

    def take_row(self, reset: Sequence[int]) -> memoryview[float]:
        """A row for the calling process, with these cells at 0: what they told was of a process that is gone.

        Where all are taken, one that nobody adds up: a worker must not fail for its metrics.
        """
        row = self._seats.take()
        if row is None:
            logger.error("metrics_row_missing", extra={"rows": self._rows})
            return memoryview(bytearray(_BYTES * self._width)).cast("d")
        cells = self._row(row)
        for cell in reset:
            cells[cell] = 0.0
        return cells

    def total(self) -> list[float]:
        """Each cell, over all rows."""
        return [sum(column) for column in zip(*(self._row(row) for row in range(self._rows)), strict=True)]

    def _row(self, row: int) -> memoryview[float]:
        return self._memory[row * self._width : (row + 1) * self._width]
