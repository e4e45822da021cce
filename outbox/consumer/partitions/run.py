"""An assignment, and what is taken from its lanes: values that threads hand each other. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace
from operator import attrgetter

from outbox.consumer.handler import Disposition
from outbox.event import ReceivedEvent, SourcePosition
from outbox.kafka.port import Record, TopicPartition


@dataclass(frozen=True, slots=True)
class LanePosition:
    """As stored: all records of the lane below `next_offset` are done, the last event came from `last`."""

    lane: int
    next_offset: int
    last: SourcePosition | None
    ask_below: int = 0  # the log is asked of each event below, for its position may not tell a repeat


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


@dataclass(slots=True)
class GivenUp:
    """Set when the partition is being revoked: work that is not begun need not begin."""

    yes: bool = False


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
    begun: float
    worked: dict[int, Disposition]  # by offset: work that was done before the transaction; the lane keeps it
    given_up: GivenUp
    again: bool = False  # the first of the records was tried before
    failed_alone: bool = False  # the first of them in a run of its own: it is to blame
    repeats: Set[int] = frozenset()  # offsets of records that the log holds further ahead
    ask_below: int = 0
    fresh: Set[int] = frozenset()  # offsets below it that the log does not hold further ahead
    part: int | None = None  # so many events are given to the handler at a time; None: all
    decoded: dict[int, ReceivedEvent] = field(default_factory=dict)  # by offset, of runs that failed; the lane keeps it

    @property
    def place(self) -> tuple[TopicPartition, int, int]:
        """Partition, lane and first offset."""
        return self.assigned.partition, self.lane, self.records[0].offset

    @property
    def head(self) -> Run:
        """What the handler is given first, as a run of its own: a slow start where it failed before."""
        size = 1 if self.again else self.part
        return self if size is None else self.cut_behind(self.records[min(size, len(self.records)) - 1].offset)

    def parts(self, count: int) -> Iterator[range]:
        """The places of so many events, as they are given to the handler one after another."""
        at, most = 0, self.part or max(count, 1)
        size = 1 if self.again else most
        while at < count:
            yield range(at, min(at + size, count))
            at, size = at + size, most

    def cut_before(self, offset: int) -> Run:
        """The run up to the record before this one; `offset` is none of the first."""
        return self.cut_behind(self.records[bisect_left(self.records, offset, key=attrgetter("offset")) - 1].offset)

    def cut_behind(self, offset: int) -> Run:
        """The run up to this record, as a run of its own; the others stay with the lane."""
        count = bisect_right(self.records, offset, key=attrgetter("offset"))
        if count >= len(self.records):
            return self
        return replace(self, records=self.records[:count], next_offset=self.records[count].offset)

    def cut_to(self, first: int, last: int, *, tried: int = 0) -> Run:
        """The records of these two offsets and between, as a run that was tried so often before."""
        begin = bisect_left(self.records, first, key=attrgetter("offset"))
        records = self.records[begin : bisect_right(self.records, last, key=attrgetter("offset"))]
        return replace(self.cut_behind(last), records=records, attempt=tried, again=tried > 0, failed_alone=False)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Idle lanes that may follow the partition's frontier to `target`."""

    assigned: Assigned
    lanes: tuple[int, ...]
    target: int
