"""The watchdog at work in the poll thread: it asks the broker, says what it saw, and applies the remedy.

It looks at runs too, which it only tells of.
"""

from __future__ import annotations

from outbox.consumer.partitions.assignments import Assignments
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.long_runs import LongRuns
from outbox.consumer.partitions.watchdog import Remedy, Watchdog, WatchedPosition
from outbox.consumer.report import Report
from outbox.consumer.settings import RuntimeSettings
from outbox.errors import DependencyDown
from outbox.kafka.port import GroupMember

LOOK_EVERY_S = 0.5


class Healing:
    """Belongs to the poll thread, as the consumer does."""

    def __init__(
        self,
        consumer: GroupMember,
        board: LaneScheduler,
        assignments: Assignments,
        settings: RuntimeSettings,
        report: Report,
    ) -> None:
        self._consumer, self._board, self._assignments = consumer, board, assignments
        self._report = report
        self._watchdog = Watchdog(settings.patience)
        self._long_runs = LongRuns(board, settings.slow_s, report)
        self._looked_at = float("-inf")

    def turn(self, now: float) -> None:
        """To be called after each poll; it looks twice a second."""
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        self._long_runs.look(now)
        flowing = {
            one: WatchedPosition(self._consumer.position(one), fence) for one, fence in self._board.flowing().items()
        }
        suspects = self._watchdog.look(now, flowing)
        if not suspects:
            return
        try:
            ranges = self._consumer.log_range(sorted(suspects))
        except DependencyDown as error:
            self._report.unreachable(error)
            self._watchdog.forget()
            return
        for stall in self._watchdog.judge({partition: end for partition, (_, end) in ranges.items()}):
            self._report.stalled(stall, self._board.load().get(stall.partition, (0, 0)))
            match stall.remedy:
                case Remedy.RESEEK:
                    self._assignments.take_again(stall.partition)
                case Remedy.REJOIN:
                    self._consumer.rejoin()
