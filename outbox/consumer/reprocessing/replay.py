"""Replay: events that a group has passed go through its handler once more. Its claims decide what is done again.

Never ahead of the group: an event that its lane has not passed is left to live consumption, so no key overtakes
itself. A key with an event in quarantine is left alone: what waits there is replayed from there, in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Handler, Poison, answering
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.triage import Decode
from outbox.errors import Undecodable
from outbox.event import ReceivedEvent
from outbox.kafka.codec import from_record
from outbox.kafka.port import Reader, Record, TopicPartition

BATCH = 200

Keep = Callable[[PsycopgConnection, TopicPartition, int], None]

_LANES = """
SELECT topic, partition, lane, next_offset FROM position WHERE group_name = %(group)s AND topic = ANY(%(topics)s)"""

_OPEN_KEYS = """
SELECT DISTINCT topic, key FROM quarantine
WHERE group_name = %(group)s AND topic = ANY(%(topics)s) AND resolved_at IS NULL AND key IS NOT NULL"""


@dataclass(slots=True)
class Replayed:
    """What became of the events. `refused`: places and reasons of those that the handler or the codec refuses.

    `quarantined`: left alone, their key has an event in quarantine. `went_to`: the next offset of each partition.
    `skipped`: the first offset of each partition that was refused or left alone.
    """

    dispositions: Counter[Disposition] = field(default_factory=Counter)
    refused: list[tuple[TopicPartition, int, str]] = field(default_factory=list)
    quarantined: int = 0
    went_to: dict[TopicPartition, int] = field(default_factory=dict)
    skipped: dict[TopicPartition, int] = field(default_factory=dict)

    def refuse(self, partition: TopicPartition, offset: int, reason: str) -> None:
        self.refused.append((partition, offset, reason))
        self._skip(partition, offset)

    def leave_alone(self, partition: TopicPartition, offset: int) -> None:
        self.quarantined += 1
        self._skip(partition, offset)

    def _skip(self, partition: TopicPartition, offset: int) -> None:
        self.skipped[partition] = min(offset, self.skipped.get(partition, offset))


@dataclass(frozen=True, slots=True)
class Passed:
    """How far each lane of a group has come, and which keys wait in its quarantine."""

    lanes: Mapping[TopicPartition, Mapping[int, int]]
    waiting: Set[tuple[str, bytes]]

    @classmethod
    def of(cls, connection: PsycopgConnection, group: str, topics: Sequence[str]) -> Passed:
        names = {"group": group, "topics": list(topics)}
        lanes: dict[TopicPartition, dict[int, int]] = {}
        for topic, partition, lane, offset in connection.execute(_LANES, names):
            lanes.setdefault(TopicPartition(topic, partition), {})[lane] = offset
        waiting = {(topic, bytes(key)) for topic, key in connection.execute(_OPEN_KEYS, names)}
        return cls(lanes, frozenset(waiting))

    def by_all_lanes(self) -> tuple[Passed, dict[TopicPartition, int]]:
        """Only as far as the last lane of each partition has come, and how far that is."""
        ends = {partition: min(lanes.values()) for partition, lanes in self.lanes.items()}
        lanes = {partition: dict.fromkeys(lanes, ends[partition]) for partition, lanes in self.lanes.items()}
        return Passed(lanes, self.waiting), ends

    def by(self, record: Record) -> bool:
        """Whether the record's lane has passed it."""
        offsets = self.lanes[TopicPartition(record.topic, record.partition)]
        return record.offset < offsets[lane_of(record.key or b"", len(offsets))]


def replay(
    reader: Reader,
    connection: PsycopgConnection,
    handler: Handler,
    passed: Passed,
    starts: Mapping[TopicPartition, int],
    *,
    keys: Set[bytes] | None = None,
    dry_run: bool = False,
    decode: Decode = from_record,
    progress: Callable[[Replayed], None] = lambda _: None,
    keep: Keep = lambda *_: None,
    give_way: Callable[[], None] = lambda: None,
) -> Replayed:
    """Replay each partition from its start to where the group stood in `passed`; only `keys`, if given. Before each
    batch `give_way` may wait.

    COMMITS, a batch at a time; stopped anywhere, run it again: what is done is recognised by its claim. With `dry_run`
    every batch is rolled back. `keep` is given, in each batch's transaction, the offset before which nothing was
    skipped: who goes on there loses nothing. `connection` looks into the context's schema, in no transaction. Raises
    `PositionLost` for a start outside the log, and what the handler raises but `Poison`.
    """
    done, act = Replayed(), answering(handler)
    for partition, start in sorted(starts.items()):
        for records in _batches(reader, passed, partition, start, done):
            give_way()
            wanted = [record for record in records if keys is None or record.key in keys]
            _apply(connection, act, _decoded(wanted, passed, decode, done), done, keep, dry_run=dry_run)
            progress(done)
    return done


def _batches(
    reader: Reader, passed: Passed, partition: TopicPartition, start: int, done: Replayed
) -> Iterator[list[Record]]:
    end = max(passed.lanes.get(partition, {}).values(), default=0)
    done.went_to[partition] = start
    while done.went_to[partition] < end:
        records = reader.read(partition, done.went_to[partition], BATCH)
        if not records:
            return
        yield [record for record in records if record.offset < end and passed.by(record)]
        done.went_to[partition] = records[-1].offset + 1


def _decoded(records: Sequence[Record], passed: Passed, decode: Decode, done: Replayed) -> list[ReceivedEvent]:
    events = []
    for record in records:
        partition = TopicPartition(record.topic, record.partition)
        if record.key is not None and (record.topic, record.key) in passed.waiting:
            done.leave_alone(partition, record.offset)
            continue
        try:
            events.append(decode(record))
        except Undecodable as error:
            done.refuse(partition, record.offset, str(error))
    return events


def _apply(
    connection: PsycopgConnection,
    handler: Answering,
    events: list[ReceivedEvent],
    done: Replayed,
    keep: Keep,
    *,
    dry_run: bool,
) -> None:
    """One batch, one transaction; what is poison is named and left out."""
    while events:
        partition, at = TopicPartition(events[-1].topic, events[-1].partition), events[-1].offset + 1
        try:
            with connection.transaction(force_rollback=dry_run):
                dispositions = handler(connection, events)
                keep(connection, partition, min(at, done.skipped.get(partition, at)))
        except Poison as poison:
            bad = events.pop(poison.index)
            done.refuse(partition, bad.offset, poison.reason)
        else:
            done.dispositions.update(dispositions)
            return
