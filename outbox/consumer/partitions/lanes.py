"""Lanes of one partition: what waits, what runs, what is done. Pure; the caller holds the lock.

A key always falls into the same lane, a lane is served by one worker at a time, so the order of a key is kept.
Every lane knows the offset below which all its records are done; a lane that has nothing to do follows the frontier.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from zlib import crc32

from outbox.consumer.handler import Disposition
from outbox.consumer.partitions.bounds import Bound, PartSize, RunSize
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.run import Assigned, GivenUp, LanePosition, Run, Sweep
from outbox.event import ReceivedEvent, SourcePosition
from outbox.kafka.headers import size_of
from outbox.kafka.port import Record


def lane_of(key: bytes, lanes: int) -> int:
    """The lane of a key; records without a key share the lane of the empty one.

    >>> lane_of(b"order-1", 8) == lane_of(b"order-1", 8)
    True
    """
    return crc32(key) % lanes


@dataclass(slots=True)
class Bucket:
    """Fetched records of one lane in order, and the bytes that each takes."""

    records: list[Record] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


def sort_by_lane(records: Iterable[Record], lanes: int) -> dict[int, Bucket]:
    """Records of one partition, in order, by the lane of their key. Needs no lock."""
    buckets: dict[int, Bucket] = {}
    for record in records:
        _, _, _, key, value, headers, _ = record
        size = len(key or b"") + len(value or b"") + size_of(headers)
        number = lane_of(key or b"", lanes)
        bucket = buckets.get(number)
        if bucket is None:
            bucket = buckets[number] = Bucket()
        bucket.records.append(record)
        bucket.sizes.append(size)
    return buckets


@dataclass(slots=True)
class _Lane:
    next_offset: int
    last: SourcePosition | None
    size: RunSize
    ask_below: int = 0
    parked_keys: set[bytes] = field(default_factory=set)
    pending: deque[Record] = field(default_factory=deque)
    sizes: deque[int] = field(default_factory=deque)
    running: Run | None = None
    running_sizes: list[int] = field(default_factory=list)
    worked: dict[int, Disposition] = field(default_factory=dict)
    decoded: dict[int, ReceivedEvent] = field(default_factory=dict)
    attempt: int = 0
    failed_alone: bool = False
    tried_below: int = 0  # records of a failed run, up to here, are tried again
    stands_since: float | None = None  # its head was given back then, and nothing was done since

    def note(self, failed: Run, attempt: int) -> None:
        """The run that waits at the head has failed so often."""
        self.attempt, self.failed_alone = attempt, len(failed.records) == 1
        self.tried_below = max(self.tried_below, failed.records[-1].offset + 1)

    def forget(self, records: Sequence[Record]) -> None:
        """What was kept of them until they are done."""
        for kept in (self.worked, self.decoded):
            if kept:
                for record in records:
                    kept.pop(record.offset, None)

    def head(self) -> int | None:
        """The offset of the first record that is not done."""
        first = self.running.records if self.running is not None else self.pending
        return first[0].offset if first else None

    def take_back(self, done: int) -> None:
        """The run under way ends after `done` of its records: the others wait at the head."""
        if self.running is not None:
            self.pending.extendleft(reversed(self.running.records[done:]))
        self.sizes.extendleft(reversed(self.running_sizes[done:]))
        self.running, self.running_sizes = None, []


class PartitionLanes:
    """The lanes of one assigned partition. Runs of a lane aim at `run_s` seconds each."""

    def __init__(self, assigned: Assigned, bound: Bound, run_s: float = math.inf) -> None:
        self.assigned = assigned
        self.frontier = assigned.lowest
        self.records = 0
        self.bytes = 0
        self.paused = False
        self.dry = False  # its log cannot be read on: nobody pauses or resumes it, or waits for more
        self.given_up = GivenUp()
        self.part = PartSize()
        self._bound = bound
        self._lanes = [_Lane(one.next_offset, one.last, RunSize(run_s), one.ask_below) for one in assigned.lanes]
        for key in assigned.open_keys:
            self._lanes[lane_of(key, len(self._lanes))].parked_keys.add(key)

    @property
    def count(self) -> int:
        return len(self._lanes)

    @property
    def busy(self) -> int:
        """Lanes that have something to do."""
        return sum(1 for lane in self._lanes if lane.running is not None or lane.pending)

    def offer(self, records: Sequence[Record], position: int) -> list[int]:
        """Take over what was fetched; `position` is the consumer's next offset. Returns the lanes that became ready."""
        return self.accept(sort_by_lane(records, len(self._lanes)), position)

    def accept(self, buckets: Mapping[int, Bucket], position: int) -> list[int]:
        """`offer`, sorted already."""
        ready = []
        for number, bucket in buckets.items():
            lane = self._lanes[number]
            records, sizes = bucket.records, bucket.sizes
            done = max(self.frontier, lane.next_offset)
            if records[0].offset < done:  # after a restart from the lowest lane, or a fetch that repeats
                first = bisect_left(records, done, key=attrgetter("offset"))
                records, sizes = records[first:], sizes[first:]
            if records and not lane.pending and lane.running is None:
                ready.append(number)
            lane.pending.extend(records)
            lane.sizes.extend(sizes)
            self.records += len(records)
            self.bytes += sum(sizes)
        self.frontier = max(self.frontier, position)
        return ready

    def take(self, number: int, limit: int, now: float = 0.0) -> Run | None:
        """The next run of a lane; None if it runs already or has nothing."""
        lane = self._lanes[number]
        if lane.running is not None or not lane.pending:
            return None
        again = lane.pending[0].offset < lane.tried_below
        count = min(limit, lane.size.limit, len(lane.pending))
        records = tuple(lane.pending.popleft() for _ in range(count))
        # Offsets have gaps (transaction markers, other lanes): the end of a run is the next record's offset, not +1.
        end = lane.pending[0].offset if lane.pending else self.frontier
        lane.running = Run(
            self.assigned,
            number,
            records,
            end,
            lane.last,
            lane.parked_keys,
            lane.attempt,
            now,
            lane.worked,
            self.given_up,
            again,
            lane.failed_alone,
            ask_below=lane.ask_below,
            part=self.part.limit,
            decoded=lane.decoded,
        )
        lane.running_sizes = [lane.sizes.popleft() for _ in range(count)]
        return lane.running

    def done(self, outcome: Outcome, took_s: float = 0.0) -> bool:
        """The run, or the cut that was made of it, is committed. True: the lane has more."""
        run, failed = outcome.run, outcome.failed
        lane = self._lanes[run.lane]
        if lane.running is None:
            return False  # abandoned meanwhile
        lane.stands_since = None
        done = len(run.records)
        lane.size.done(done, took_s, cut=failed is None and done < len(lane.running.records))
        self.part.done(done, outcome.failures)
        lane.forget(run.records)
        self.records -= done
        self.bytes -= sum(lane.running_sizes[:done])
        lane.take_back(done)
        lane.next_offset, lane.last, lane.attempt, lane.failed_alone = run.next_offset, outcome.last, 0, False
        if failed is not None:
            lane.size.failed(done)
            lane.note(failed.part, failed.part.attempt + 1)
        lane.parked_keys -= outcome.freed_keys
        lane.parked_keys |= outcome.parked_keys
        return bool(lane.pending)

    def give_back(self, run: Run, *, tried: bool = True) -> None:
        """The run failed, or was not even tried: all that was taken waits at the head of its lane.

        `run` may be the part of it that failed, the first one.
        """
        lane = self._lanes[run.lane]
        if lane.running is None:
            return
        lane.take_back(0)
        if tried:
            self.part.done(0, 1)
            lane.note(run, run.attempt + 1)

    def overtaken(self, run: Run, stored: LanePosition) -> bool:
        """The database is ahead of the run: an earlier commit's answer was lost. Drop what is done there."""
        self.give_back(run, tried=False)
        lane = self._lanes[run.lane]
        lane.next_offset, lane.last, lane.attempt, lane.failed_alone = stored.next_offset, stored.last, 0, False
        while lane.pending and lane.pending[0].offset < stored.next_offset:
            record = lane.pending.popleft()
            key = record.key
            lane.forget([record])
            if key is not None:
                lane.parked_keys.add(key)  # that commit may have parked it: the next run of the key looks
            self.records -= 1
            self.bytes -= lane.sizes.popleft()
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

    def stand(self, number: int, now: float) -> None:
        """The lane's head waits to be tried again; the first time counts."""
        lane = self._lanes[number]
        lane.stands_since = now if lane.stands_since is None else lane.stands_since

    def standing(self) -> list[tuple[int, int, int, float]]:
        """Lanes whose head waits to be tried again: number, offset, attempts so far, since when."""
        return [
            (number, head, lane.attempt, lane.stands_since)
            for number, lane in enumerate(self._lanes)
            if lane.stands_since is not None and (head := lane.head()) is not None
        ]

    def head(self, number: int) -> int | None:
        """The offset of a lane's first record that is not done."""
        return self._lanes[number].head()

    def abandon(self) -> None:
        """Forget all work, also what runs: its results will not count."""
        self.given_up.yes = True
        for lane in self._lanes:
            lane.pending.clear()
            lane.sizes.clear()
            lane.decoded.clear()
            lane.running, lane.running_sizes = None, []
        self.records = self.bytes = 0

    def running(self) -> list[Run]:
        return [lane.running for lane in self._lanes if lane.running is not None]

    def lowest(self) -> int:
        """All records below are done."""
        return min(lane.next_offset for lane in self._lanes)

    @property
    def has_room(self) -> bool:
        """It is paused, and the next look at its gate will open it."""
        return self.paused and not (self.dry or self._bound.gate(self.records, self.bytes, closed=True))

    def gate(self) -> bool:
        """Decide, remember and tell whether the partition should be paused."""
        self.paused = self._bound.gate(self.records, self.bytes, closed=self.paused)
        return self.paused
