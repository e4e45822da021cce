"""From the group's word to a partition at work: held still, fenced, checked against the log, sought, opened."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence, Set

from outbox.consumer.partitions.lane_scheduler import Clock, LaneScheduler
from outbox.consumer.partitions.position_thread import Answer, PositionThread, Request
from outbox.consumer.partitions.positions import check_range
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.partitions.standing import Standing, StandingCause
from outbox.consumer.partitions.starting import begins
from outbox.consumer.report import Report
from outbox.consumer.settings import Metric, RuntimeSettings
from outbox.errors import ConfigurationError, DependencyDown, OutboxError, PositionLost, Unreadable
from outbox.fault_points import FaultPoints
from outbox.kafka.port import Admin, GroupMember, TopicPartition


class Assignments:
    """Belongs to the poll thread. `missed`: topics that were not there at first.

    A partition waits (due), is asked for, is open on the board, or is lost."""

    def __init__(
        self,
        *,
        consumer: GroupMember,
        admin: Admin,
        keeper: PositionThread,
        board: LaneScheduler,
        settings: RuntimeSettings,
        report: Report,
        fault_points: FaultPoints,
        clock: Clock,
        rng: random.Random,
        missed: Set[str],
    ) -> None:
        self._consumer, self._admin, self._keeper, self._board = consumer, admin, keeper, board
        self._settings, self._report, self._fault_points = settings, report, fault_points
        self._clock, self._rng, self._missed = clock, rng, missed
        self._begun: dict[str, Mapping[TopicPartition, int] | None] = {}
        self._ours: set[TopicPartition] = set()
        self._due: dict[TopicPartition, float] = {}
        self._asked: dict[TopicPartition, Request] = {}
        self._lost: dict[TopicPartition, str] = {}
        self._stands: dict[TopicPartition, tuple[StandingCause, float, int | None, str]] = {}

    def lost(self) -> Mapping[TopicPartition, str]:
        """Partitions that stand still until a person decides, and why."""
        return dict(self._lost)

    def held(self) -> frozenset[TopicPartition]:
        """What the group has given to us, whether or not it is at work. From any thread."""
        return frozenset(self._ours)

    def standing(self) -> list[Standing]:
        """What is ours and not at work, and why. From any thread."""
        now, stands = self._clock(), dict(self._stands)
        return [
            Standing(cause, now - since, *partition, offset=offset, detail=detail)
            for partition, (cause, since, offset, detail) in stands.items()
        ]

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """The group gave them to us: nothing is read before the database agrees."""
        self._consumer.pause(partitions)
        self._ours.update(partitions)
        for partition in partitions:
            self._due[partition] = self._clock()

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """The group took them: stop, give runs under way a moment, forget. The fence guards the rest."""
        self._ours.difference_update(partitions)
        for partition in partitions:
            self._due.pop(partition, None)
            self._asked.pop(partition, None)
            self._lost.pop(partition, None)
            self._stands.pop(partition, None)
            self._keeper.withdraw(partition)
            self._report.partition(Metric.REVOKED, partition)
        self._board.close(partitions, self._settings.grace_s)

    def take_again(self, partition: TopicPartition) -> None:
        """Begin it anew from the database, as if the group had just given it to us."""
        self._board.close([partition], self._settings.grace_s)
        self._postpone(partition, 0.0)

    def settle(self) -> None:
        """Move every partition on that can be moved on. Raises `ConfigurationError`."""
        for partition in self._board.take_fenced():
            self._report.partition(Metric.FENCED, partition)
            if partition in self._ours:
                # One of us is on its way out. If it is we, the group will have told us by then.
                self._postpone(partition, self._settings.reassign_s)
        for partition, error in self._board.take_broken():
            if partition in self._ours:
                self._stand(partition, error, Metric.SOURCE_BROKEN, "source_broken")
        for partition in self._keeper.moved() & self._lost.keys():
            self._postpone(partition, 0.0)
        now = self._clock()
        due = [partition for partition, due in self._due.items() if due <= now]
        self._board.close(due, self._settings.grace_s)  # one that stood before its end may be at work still
        self._ask(due)
        for answer in self._keeper.answers():
            if self._asked.get(answer.request.partition) is answer.request:
                del self._asked[answer.request.partition]
                self._accept(answer)

    def recheck(self, error: PositionLost) -> None:
        """A poll was outside a log: stop the partitions that are. Raises `error` if none is, and `DependencyDown`."""
        held = self._board.held()
        ranges = self._consumer.log_range(held)
        outside = [one for one in held if not ranges[one][0] <= self._consumer.position(one) <= ranges[one][1]]
        if not outside:
            raise error
        self._board.close(outside, self._settings.grace_s)
        for partition in outside:
            self._lose(partition, error)

    def stop_unreadable(self, error: Unreadable) -> None:
        """A poll met bytes that nothing can be made of: what was read before them is worked off, then it stands."""
        partition = TopicPartition(error.topic, error.partition)
        if partition in self._ours:
            self._board.dry_up(partition)
            self._stand(partition, error, Metric.UNREADABLE, "partition_unreadable")

    def _ask(self, partitions: Sequence[TopicPartition]) -> None:
        if not partitions:
            return
        try:
            states = self._admin.describe({partition.topic for partition in partitions})
            ranges = self._consumer.log_range(partitions)
            new = {topic: self._begins(topic, state.partitions) for topic, state in states.items()}
        except DependencyDown as error:
            self._wait(partitions, error)
            return
        for partition in partitions:
            if partition.topic not in states:
                self._wait([partition], DependencyDown(f"topic {partition.topic} is not described by the broker"))
                continue
            del self._due[partition]
            topic = partition.topic
            request = Request(partition, states[topic].incarnation, ranges[partition][0], new[topic])
            self._asked[partition] = request
            self._keeper.ask(request)

    def _begins(self, topic: str, partitions: int) -> Mapping[TopicPartition, int] | None:
        """A topic that was not there when we came is read from its first record: then its end was there."""
        if topic in self._missed:
            return None
        if topic not in self._begun:  # once: who has a position stays there
            self._begun[topic] = begins(self._settings.start, self._consumer, topic, partitions)
        return self._begun[topic]

    def _accept(self, answer: Answer) -> None:
        partition, result = answer.request.partition, answer.result
        if isinstance(result, ConfigurationError):
            raise result
        if isinstance(result, PositionLost):
            self._lose(partition, result)
        elif isinstance(result, Assigned):
            self._open(result)
        else:
            self._wait([partition], result)

    def _open(self, assigned: Assigned) -> None:
        partition = assigned.partition
        try:
            # Asked again now: positions may have moved after the first answer, the fence holds them since.
            check_range(assigned, *self._consumer.log_range([partition])[partition])
        except PositionLost as lost:
            self._lose(partition, lost)
        except DependencyDown as error:
            self._wait([partition], error)
        else:
            self._lost.pop(partition, None)
            self._stands.pop(partition, None)
            self._fault_points.reach("consumer.assigned")
            self._consumer.seek(partition, assigned.lowest)
            self._board.open(assigned)
            self._consumer.resume([partition])
            self._report.partition(Metric.ASSIGNED, partition)

    def _lose(self, partition: TopicPartition, error: PositionLost) -> None:
        self._stand(partition, error, Metric.POSITION_LOST, "position_lost")

    def _stand(self, partition: TopicPartition, error: OutboxError, metric: Metric, event: str) -> None:
        """It stands still, and looks again now and then whether it can go on."""
        self._lost[partition] = str(error)
        self._note(partition, StandingCause(event), error)
        self._report.count(metric, topic=partition.topic)
        self._report.trouble(event, error, partition)
        self._postpone(partition, self._settings.broken_s)

    def _wait(self, partitions: Sequence[TopicPartition], error: Exception) -> None:
        for partition in partitions:
            self._note(partition, StandingCause.ASSIGNMENT_WAITS, error)
            self._report.trouble("assignment_waits", error, partition)
            self._postpone(partition, self._settings.reassign_s)

    def _note(self, partition: TopicPartition, cause: StandingCause, error: Exception) -> None:
        """It stands since the first time that it was said."""
        before = self._stands.get(partition)
        since = before[1] if before is not None and before[0] is cause else self._clock()
        offset = error.offset if isinstance(error, Unreadable) else None
        self._stands[partition] = cause, since, offset, str(error)

    def _postpone(self, partition: TopicPartition, delay_s: float) -> None:
        self._consumer.pause([partition])
        self._due[partition] = self._clock() + delay_s * self._rng.uniform(0.5, 1.5)
