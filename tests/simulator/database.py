"""Logs, position rows, effects and quarantine as plain values. A method is a transaction, checked as it commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from outbox.consumer.middleware.versions import Discarded, Done, first_gap, in_versions
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.positions import Overtaken
from outbox.consumer.partitions.run import Assigned, LanePosition, Run, Sweep
from outbox.consumer.triage import BEHIND, WAITING, Triage
from outbox.errors import Fenced, Undecodable
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.port import Record, TopicPartition

LANES = 3
lane_by_key = lane_of  # kept, should a mutation replace the core's


class Violation(AssertionError):
    """`name` is the invariant that broke."""

    def __init__(self, name: str, seen: object) -> None:
        super().__init__(f"{name}: {seen}")
        self.name = name


def hold(name: str, true: object, seen: object = "") -> None:
    """The invariant `name` holds, or the run ends here."""
    if not true:
        raise Violation(name, seen)


@dataclass(slots=True)
class Log:
    """One partition as the broker has it; offsets have gaps."""

    records: list[Record] = field(default_factory=list)
    end: int = 0


@dataclass(frozen=True, slots=True)
class LogReader:
    """The `Reader` port over the logs."""

    logs: Mapping[TopicPartition, Log]

    def read(self, partition: TopicPartition, offset: int, limit: int, *, timeout_s: float = 10.0) -> Sequence[Record]:
        del timeout_s
        return [record for record in self.logs[partition].records if record.offset >= offset][:limit]

    def log_range(self, partition: TopicPartition) -> tuple[int, int]:
        return 0, self.logs[partition].end

    def offset_at(self, partition: TopicPartition, timestamp_ms: int) -> int | None:
        raise AssertionError(f"nobody asks for offsets by time: {partition}, {timestamp_ms}")

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Database:
    """Also the judge: whatever a transaction would make true for ever is checked before it is."""

    logs: dict[TopicPartition, Log]
    rows: dict[TopicPartition, list[LanePosition]] = field(default_factory=dict)
    fences: dict[TopicPartition, int] = field(default_factory=dict)
    events: dict[tuple[TopicPartition, int], ReceivedEvent | None] = field(default_factory=dict)
    undone: dict[tuple[TopicPartition, int], set[int]] = field(default_factory=lambda: defaultdict(set))
    ended: dict[tuple[TopicPartition, int], str] = field(default_factory=dict)
    seen: set[SourcePosition] = field(default_factory=set)
    latest: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    open_keys: set[bytes] = field(default_factory=set)
    lsn: int = 0
    waits: bool = False  # for versions that are missing
    parked: dict[bytes, list[tuple[ReceivedEvent | None, str]]] = field(default_factory=lambda: defaultdict(list))
    handled: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    passed: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))  # versions, by leave
    discarded: dict[str, Discarded] = field(default_factory=lambda: defaultdict(Discarded))

    def append(self, partition: TopicPartition, key: bytes, number: int | None, gap: int) -> None:
        """An event of the key; without a number, bytes that are none."""
        self.lsn += 1
        event = None
        if number is not None:
            position = SourcePosition("s", self.lsn, 0)
            made = Event("order", key.decode(), number, "T", b"", {}, None, None, UUID(int=self.lsn))
            event = ReceivedEvent(made, partition.topic, partition.partition, 0, position)
        self._write(partition, key, event, gap)

    def repeat(self, partition: TopicPartition, count: int) -> None:
        """The relay was killed before it confirmed: its last records come again, in order."""
        for record in self.logs[partition].records[-count:] if count else []:
            event = self.events[partition, record.offset]
            if event is not None:
                self._write(partition, record.key or b"", event, 0)

    def _write(self, partition: TopicPartition, key: bytes, event: ReceivedEvent | None, gap: int) -> None:
        log = self.logs[partition]
        offset = log.end + gap
        log.records.append(Record(partition.topic, partition.partition, offset, key, b"", (), 0))
        log.end = offset + 1
        if event is not None:
            event = ReceivedEvent(event.event, event.topic, event.partition, offset, event.position)
        self.events[partition, offset] = event
        self.undone[partition, lane_by_key(key, LANES)].add(offset)

    def decode(self, record: Record) -> ReceivedEvent:
        event = self.events[TopicPartition(record.topic, record.partition), record.offset]
        if event is None:
            raise Undecodable("not an event")
        return event

    def assign(self, partition: TopicPartition) -> Assigned:
        """A new fence; where the lanes stand."""
        self.fences[partition] = self.fences.get(partition, 0) + 1
        rows = self.rows.setdefault(partition, [LanePosition(lane, 0, None) for lane in range(LANES)])
        return Assigned(partition, "1", self.fences[partition], tuple(rows), frozenset(self.open_keys))

    def check_fence(self, assigned: Assigned) -> None:
        if self.fences[assigned.partition] != assigned.fence:
            raise Fenced("another assignment")

    def commit(self, run: Run, found: Triage) -> None:
        """Effects, parked records and the lane's position, as `positions.advance` would; or nothing."""
        partition = run.assigned.partition
        self.check_fence(run.assigned)
        row = self.rows[partition][run.lane]
        if row.next_offset > run.records[0].offset:
            raise Overtaken(row)
        applied = {event.offset for event in found.events}
        parked = {one.record.offset: one.reason for one in found.parked}
        for record in run.records:
            self._end(partition, record, applied, parked)
        self._move(partition, LanePosition(run.lane, run.next_offset, found.last))

    def _end(self, partition: TopicPartition, record: Record, applied: set[int], parked: Mapping[int, str]) -> None:
        place, key = (partition, record.offset), record.key or b""
        hold("a record has one disposition", place not in self.ended, place)
        event = self.events[place]
        if record.offset in applied:
            assert event is not None
            hold("a parked key holds back its later events", key not in self.open_keys, place)
            hold("nothing is applied twice", event.position not in self.seen, place)
            self._apply(event)
        elif record.offset in parked:
            self.open_keys.add(key)
            self.parked[key].append((event, parked[record.offset]))
        else:
            hold("only what came before is a repeat", event is not None and event.position in self.seen, place)
        self.ended[place] = "ended"
        if event is not None and event.position is not None:
            self.seen.add(event.position)
        self.undone[partition, lane_by_key(key, LANES)].discard(record.offset)

    def _apply(self, event: ReceivedEvent) -> None:
        number, name = event.event.aggregate_version, event.event.aggregate_id
        latest = self.latest[name]
        hold("a key keeps its order", number > latest or number in self.passed[name], (event.offset, number, latest))
        self.handled[name].add(number)
        self.latest[name] = max(latest, number)
        if self.waits:
            self._pass(event, name)

    def _pass(self, event: ReceivedEvent, name: str) -> None:
        """Only what a person discarded unread gives leave to pass a version that may yet come."""
        versions, unread = self.discarded[name]
        missing = set(range(1, self.latest[name])) - self.handled[name] - versions
        hold("no version is passed that nobody has discarded", len(missing) <= unread, (event.offset, missing))
        self.passed[name] = missing

    def early(self, events: Sequence[ReceivedEvent]) -> tuple[int, str] | None:
        """The offset of the first event that must wait, and why."""
        gap = first_gap(events, self._done(events), self.discarded) if self.waits else None
        return None if gap is None else (events[gap.at].offset, f"{WAITING} {gap.missing}")

    def let_go(self, key: bytes) -> None:
        """As the release does with a key that waits for a version."""
        rows = self.parked[key]
        if not rows or not all(why.startswith((WAITING, BEHIND)) for _, why in rows):
            return
        if any(event is None for event, _ in rows):
            self.parked[key] = [(event, why if event is not None else "undecodable") for event, why in rows]
            return
        events = [event for event, _ in rows if event is not None]
        ready, left, missing = in_versions(events, self._done(events), self.discarded)
        for event in ready:
            if event.event.aggregate_version not in self.handled[event.event.aggregate_id]:
                self._apply(event)
        self.parked[key] = [(event, f"{WAITING} {missing}" if event is left[0] else BEHIND) for event in left]
        if not left:
            self.open_keys.discard(key)

    def settle(self, key: bytes) -> None:
        """A person discards what is parked of a key."""
        self.open_keys.discard(key)
        versions, unread = self.discarded[key.decode()]
        gone = [event for event, _ in self.parked.pop(key, ())]
        seen = {event.event.aggregate_version for event in gone if event is not None}
        self.discarded[key.decode()] = Discarded({*versions, *seen}, unread + gone.count(None))

    def _done(self, events: Sequence[ReceivedEvent]) -> dict[str, Done]:
        refs = {one.event.aggregate_id for one in events}
        return {ref: Done(self.latest[ref], len(self.handled[ref])) for ref in refs}

    def sweep(self, sweep: Sweep) -> None:
        """Idle lanes follow the frontier, as `positions.sweep` would."""
        partition = sweep.assigned.partition
        self.check_fence(sweep.assigned)
        for lane in sweep.lanes:
            row = self.rows[partition][lane]
            if row.next_offset < sweep.target:
                self._move(partition, LanePosition(lane, sweep.target, row.last))

    def _move(self, partition: TopicPartition, row: LanePosition) -> None:
        before = self.rows[partition][row.lane].next_offset
        hold("a position never goes back", row.next_offset >= before, (partition, row, before))
        hold("a position never passes the log's end", row.next_offset <= self.logs[partition].end, (partition, row))
        left = self.undone[partition, row.lane]
        hold("a position never passes a gap", not left or min(left) >= row.next_offset, (partition, row, left))
        self.rows[partition][row.lane] = row

    def first_undone(self, partition: TopicPartition) -> int | None:
        offsets = [min(left) for lane in range(LANES) if (left := self.undone[partition, lane])]
        return min(offsets, default=None)

    def read(self, partition: TopicPartition, offset: int, limit: int) -> tuple[Sequence[Record], int]:
        """Records from `offset`, and the position after them, behind any markers at the end."""
        log = self.logs[partition]
        found = [record for record in log.records if record.offset >= offset][: limit + 1]
        if len(found) > limit:
            return found[:limit], found[limit].offset
        return found, log.end
