"""Runs that are at work for so long that somebody should know: a handler that hangs stops its lane without an error."""

from __future__ import annotations

from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.report import Report


class LongRuns:
    """Belongs to the poll thread. A run is told of after each `slow_s` that it has been at work."""

    def __init__(self, board: LaneScheduler, slow_s: float, report: Report) -> None:
        self._board, self._slow_s, self._report = board, slow_s, report
        self._told: dict[int, int] = {}  # how often, by run

    def look(self, now: float) -> None:
        """To be called a few times in `slow_s`; `now` is of the board's clock."""
        told, self._told = self._told, {}
        for run in self._board.under_way():
            at_work_s = now - run.begun
            times = int(at_work_s // self._slow_s)
            if times > told.get(id(run), 0):
                self._report.at_work(run, at_work_s)
            if times:
                self._told[id(run)] = times
