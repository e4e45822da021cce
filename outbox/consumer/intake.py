"""What the poll thread takes in: it fetches, hands records to lanes, pauses, resumes, and commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from outbox.consumer.partitions.assignments import Assignments
from outbox.consumer.partitions.lane_scheduler import Clock, LaneScheduler
from outbox.consumer.report import Report
from outbox.consumer.settings import Metric, RuntimeSettings
from outbox.errors import AccessDenied, DependencyDown, PositionLost, Unreadable
from outbox.kafka.port import GroupMember, Record, TopicPartition

REST_AFTER_ERROR_S = 0.5
WHILE_PAUSED_S = 0.01


class Intake:
    """For one thread, which waits for neither a handler nor the database. `rest(seconds)` ends early when the runtime
    has failed.
    """

    def __init__(  # noqa: PLR0917 - parts of the runtime, each once
        self,
        consumer: GroupMember,
        board: LaneScheduler,
        assignments: Assignments,
        settings: RuntimeSettings,
        report: Report,
        clock: Clock,
        rest: Callable[[float], object],
    ) -> None:
        self._consumer, self._board, self._assignments = consumer, board, assignments
        self._settings, self._report, self._clock, self._rest = settings, report, clock, rest
        self._committed: Mapping[TopicPartition, int] = {}
        self._reached_at = self._committed_at = self._answered_at = clock()

    def begin(self) -> None:
        """From now the broker's silence counts."""
        self._answered_at = self._clock()

    def turn(self) -> None:
        """Fetch once, and hand what came to the lanes. Raises when the broker has been away for too long."""
        self._dispatch(self._poll())

    def apply_gates(self) -> None:
        """Pause partitions that hold enough, resume those that have room again."""
        pause, resume = self._board.gates()
        for partitions, act, metric in (
            (pause, self._consumer.pause, Metric.PAUSED),
            (resume, self._consumer.resume, Metric.RESUMED),
        ):
            if partitions:
                act(partitions)
                for partition in partitions:
                    self._report.partition(metric, partition)

    def commit(self) -> None:
        """For lag tools; nothing when nothing moved."""
        self._committed_at = self._clock()
        lowest = self._board.lowest()
        if lowest and lowest != self._committed:
            self._consumer.commit(lowest)
            self._committed = lowest

    def commit_in_time(self) -> None:
        """When it is time again."""
        if self._clock() - self._committed_at >= self._settings.commit_s:
            self.commit()

    def _poll(self) -> Sequence[Record]:
        try:
            records = self._ask()
        except (AccessDenied, DependencyDown) as error:  # a broker that has just started may know no users yet
            if self._clock() - self._answered_at > self._settings.broker_patience_s:
                raise
            self._report.unreachable(error)
            self._rest(REST_AFTER_ERROR_S)
            return ()
        self._answered_at = self._clock()
        return records

    def _ask(self) -> Sequence[Record]:
        """Nothing can end a poll that waits for the broker: while partitions are full it waits for a moment only, and
        while all are it does not wait at all, for their gates may open any time.
        """
        hold_s, flow = self._settings.poll_s, self._board.flow()
        if flow.paused:
            if not flow.flowing and self._board.wait_for_room(hold_s):
                return ()
            hold_s = min(hold_s, WHILE_PAUSED_S) if flow.flowing else 0.0
        try:
            return self._consumer.poll(hold_s, self._settings.fetch_records)
        except PositionLost as lost:
            self._assignments.recheck(lost)
        except Unreadable as unreadable:
            self._assignments.stop_unreadable(unreadable)
        return ()

    def _dispatch(self, records: Sequence[Record]) -> None:
        fetched: dict[TopicPartition, tuple[Sequence[Record], int]] = {}
        batches: dict[TopicPartition, list[Record]] = {}
        for (topic, number), batch in groupby(records, key=itemgetter(0, 1)):
            batches.setdefault(TopicPartition(topic, number), []).extend(batch)
        for partition, found in batches.items():
            fetched[partition] = found, found[-1].offset + 1
        now = self._clock()
        if now - self._reached_at >= self._settings.sweep_s:
            # Beyond the last record there may be transaction markers: only the client knows how far it has read.
            self._reached_at = now
            for partition in self._board.held():
                fetched[partition] = batches.get(partition, ()), self._consumer.position(partition)
        if fetched:
            self._board.offer(fetched)
