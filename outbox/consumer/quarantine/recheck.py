"""Runs that may park an event behind one that is resolved: they looked before, and show it at their commit only."""

from __future__ import annotations

from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.run import Run


class Doubts:
    """After a key was freed one look is not enough: another is due when the runs have ended that were under way then.

    So no run needs to wake anybody for what it parks. A later run looks by itself and finds the key free.
    """

    def __init__(self, board: LaneScheduler) -> None:
        self._board = board
        self._runs: dict[int, Run] = {}  # held, so that no other takes its id

    def note(self) -> None:
        """A key was freed, or may have been."""
        self._runs.update((id(run), run) for run in self._board.under_way())

    def ended(self) -> bool:
        """There were some and none is under way any more; they are forgotten."""
        if not self._runs or any(id(run) in self._runs for run in self._board.under_way()):
            return False
        self._runs.clear()
        return True
