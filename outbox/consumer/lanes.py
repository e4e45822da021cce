"""Lanes of one partition: what waits, what runs, what is done. Pure; the caller holds the lock.

A key always falls into the same lane, a lane is served by one worker at a time, so the order of a key is kept.
Every lane knows the offset below which all its records are done; a lane that has nothing to do follows the frontier.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from outbox.event import SourcePosition
from outbox.kafka.port import Record, TopicPartition

# A slow start ends with the records that were tried before, long before this.
WINDOW_LIMIT = 1 << 16


def lane_of(key: bytes, lanes: int) -> int:
    """The lane of a key; records without a key share the lane of the empty one.

    >>> lane_of(b"order-1", 8) == lane_of(b"order-1", 8)
    True
    """
    return zlib.crc32(key) % lanes


@dataclass(frozen=True, slots=True)
class Bound:
    """How much one partition may hold: queued, running and waiting for a retry all count.

    At the bound the partition is paused; it goes on when both figures are down to `resume_at` of it.
    """

    records: int = 10_000
    bytes: int = 16 * 1024 * 1024
    resume_at: float = 0.5

    def gate(self, records: int, size_bytes: int, *, closed: bool) -> bool:
        """True = paused. Hysteresis keeps it from flapping around the bound."""
        if closed:
            return records > self.records * self.resume_at or size_bytes > self.bytes * self.resume_at
        return records >= self.records or size_bytes >= self.bytes


@dataclass(frozen=True, slots=True)
class LanePosition:
    """As stored: all records of the lane below `next_offset` are done, the last event came from `last`."""

    lane: int
    next_offset: int
    last: SourcePosition | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """One assignment of a partition to this process; `fence` is its number in the database and never comes again."""

    partition: TopicPartition
    incarnation: str
    fence: int
    lanes: tuple[LanePosition, ...]
    open_keys: frozenset[bytes] = frozenset()

    @property
    def lowest(self) -> int:
        """Where reading must begin again."""
        return min(lane.next_offset for lane in self.lanes)


@dataclass(frozen=True, slots=True)
class Run:
    """Records of one lane, in order, for one transaction. Afterwards the lane stands at `next_offset`."""

    assigned: Assigned
    lane: int
    records: tuple[Record, ...]
    next_offset: int
    last: SourcePosition | None
    parked_keys: Set[bytes]
    attempt: int
    again: int = 0  # so many of the records, the first ones, were tried before


@dataclass(frozen=True, slots=True)
class Sweep:
    """Idle lanes that may follow the partition's frontier to `target`."""

    assigned: Assigned
    lanes: tuple[int, ...]
    target: int


@dataclass(slots=True)
class _Lane:
    next_offset: int
    last: SourcePosition | None
    parked_keys: set[bytes] = field(default_factory=set)
    pending: deque[Record] = field(default_factory=deque)
    running: Run | None = None
    attempt: int = 0
    tried_below: int = 0  # records of a failed run, up to here, are tried again: one, two, four at a time
    window: int = 1


class PartitionLanes:
    """The lanes of one assigned partition."""

    def __init__(self, assigned: Assigned, bound: Bound) -> None:
        self.assigned = assigned
        self.frontier = assigned.lowest
        self.records = 0
        self.bytes = 0
        self.paused = False
        self._bound = bound
        self._lanes = [_Lane(lane.next_offset, lane.last) for lane in assigned.lanes]
        for key in assigned.open_keys:
            self._lanes[lane_of(key, len(self._lanes))].parked_keys.add(key)

    def offer(self, records: Sequence[Record], position: int) -> list[int]:
        """Take over what was fetched; `position` is the consumer's next offset. Returns the lanes that became ready."""
        ready = []
        for record in records:
            number = lane_of(record.key or b"", len(self._lanes))
            lane = self._lanes[number]
            if record.offset < self.frontier or record.offset < lane.next_offset:
                continue  # after a restart from the lowest lane: done before
            if not lane.pending and lane.running is None:
                ready.append(number)
            lane.pending.append(record)
            self.records += 1
            self.bytes += size_of(record)
        self.frontier = max(self.frontier, position)
        return ready

    def take(self, number: int, limit: int) -> Run | None:
        """The next run of a lane; None if it runs already or has nothing."""
        lane = self._lanes[number]
        if lane.running is not None or not lane.pending:
            return None
        again = lane.pending[0].offset < lane.tried_below
        limit = min(limit, lane.window) if again else limit
        records = tuple(lane.pending.popleft() for _ in range(min(limit, len(lane.pending))))
        # Offsets have gaps (transaction markers, other lanes): the end of a run is the next record's offset, not +1.
        end = lane.pending[0].offset if lane.pending else self.frontier
        tried = sum(record.offset < lane.tried_below for record in records) if again else 0
        lane.running = Run(self.assigned, number, records, end, lane.last, lane.parked_keys, lane.attempt, tried)
        return lane.running

    def done(self, run: Run, last: SourcePosition | None, *, parked: Set[bytes], freed: Set[bytes]) -> bool:
        """The run is committed. True if the lane has more to do."""
        lane = self._lanes[run.lane]
        lane.next_offset, lane.last, lane.running, lane.attempt = run.next_offset, last, None, 0
        lane.window = min(2 * lane.window, WINDOW_LIMIT)
        lane.parked_keys -= freed
        lane.parked_keys |= parked
        self._release(run.records)
        return bool(lane.pending)

    def give_back(self, run: Run, *, tried: bool = True) -> None:
        """The run failed, or was not even tried: its records wait at the head of their lane."""
        lane = self._lanes[run.lane]
        lane.pending.extendleft(reversed(run.records))
        lane.running = None
        if tried:
            lane.attempt = run.attempt + 1
            lane.tried_below, lane.window = max(lane.tried_below, run.records[-1].offset + 1), 1

    def overtaken(self, run: Run, stored: LanePosition) -> bool:
        """The database is ahead of the run: an earlier commit's answer was lost. Drop what is done there."""
        self.give_back(run, tried=False)
        lane = self._lanes[run.lane]
        lane.next_offset, lane.last, lane.attempt = stored.next_offset, stored.last, 0
        while lane.pending and lane.pending[0].offset < stored.next_offset:
            self._release([lane.pending.popleft()])
        return bool(lane.pending)

    def idle(self) -> Sweep | None:
        """The lanes that have nothing to do and stand below the frontier."""
        behind = tuple(
            number
            for number, lane in enumerate(self._lanes)
            if lane.running is None and not lane.pending and lane.next_offset < self.frontier
        )
        return Sweep(self.assigned, behind, self.frontier) if behind else None

    def swept(self, sweep: Sweep) -> None:
        """The sweep is committed; a lane that got work meanwhile is not moved back."""
        for number in sweep.lanes:
            self._lanes[number].next_offset = max(self._lanes[number].next_offset, sweep.target)

    def abandon(self) -> None:
        """Forget all work, also what runs: its results will not count."""
        for lane in self._lanes:
            lane.pending.clear()
            lane.running = None
        self.records = self.bytes = 0

    def running(self) -> bool:
        return any(lane.running is not None for lane in self._lanes)

    def lowest(self) -> int:
        """All records below are done."""
        return min(lane.next_offset for lane in self._lanes)

    def gate(self) -> bool:
        """Decide, remember and tell whether the partition should be paused."""
        self.paused = self._bound.gate(self.records, self.bytes, closed=self.paused)
        return self.paused

    def _release(self, records: Sequence[Record]) -> None:
        self.records -= len(records)
        self.bytes -= sum(size_of(record) for record in records)


def size_of(record: Record) -> int:
    """Bytes that the record's key, value and headers take."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
