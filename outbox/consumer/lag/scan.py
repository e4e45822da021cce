"""The first records of a partition that its lanes have not passed: each is read once, however often one looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from outbox.consumer.append_time import appended_ms
from outbox.consumer.lag.hot import KEY, Facet
from outbox.consumer.partitions.lanes import lane_of
from outbox.errors import Undecodable
from outbox.kafka.codec import from_record
from outbox.kafka.port import Record

SAMPLE = 500  # records kept of a partition: enough to name who waits, cheap to read
AT_ONCE = 500
LOOKED_THROUGH = 20_000  # at most, in one look, for the first record that its lane has not passed

Read = Callable[[int, int], Sequence[Record]]  # offset, limit
FacetsOf = Callable[[Record], Sequence[Facet]]


def no_facets(_record: Record) -> Sequence[Facet]:
    """Nobody asks what a record is of."""
    return ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that its lane has not passed. `tenant` and `service_class` are "" where the event names none; `facets`
    are what the reader of the lag asked for; `key` as text.
    """

    offset: int
    lane: int
    appended_ms: int
    arrived_ms: int
    tenant: str
    service_class: str
    facets: Sequence[Facet] = ()
    key: str = ""

    @property
    def of(self) -> Sequence[Facet]:
        """All that it is of."""
        own = ((KEY, self.key), ("tenant", self.tenant))
        return [*(one for one in own if one[1]), *self.facets]


@dataclass(slots=True)
class Scan:
    """Of one partition of one incarnation; `lanes` are the next offsets by lane. Below `reached` all was looked at."""

    lanes: tuple[int, ...]
    reached: int
    waiting: deque[Waiting] = field(default_factory=deque)
    facets_of: FacetsOf = no_facets

    @classmethod
    def of(cls, lanes: Sequence[int], facets_of: FacetsOf = no_facets) -> Scan:
        return cls(tuple(lanes), min(lanes), facets_of=facets_of)

    def follows(self, lanes: Sequence[int]) -> bool:
        """Whether the lanes only went on since: a position that was set back begins anew."""
        return len(lanes) == len(self.lanes) and all(new >= old for new, old in zip(lanes, self.lanes, strict=True))

    def look(self, lanes: Sequence[int], end: int, read: Read) -> None:
        """Drop what the lanes have passed, read on up to the sample's size or the log's end.

        Raises what `read` raises; what was found before stays.
        """
        self.lanes = tuple(lanes)
        self.waiting = deque(one for one in self.waiting if one.offset >= self.lanes[one.lane])
        self.reached = max(self.reached, min(lanes))
        stop = self.reached + LOOKED_THROUGH
        while self.reached < end and len(self.waiting) < SAMPLE and self.reached < stop:
            records = read(self.reached, AT_ONCE)
            self.waiting.extend(one for record in records if (one := self._waiting(record)) is not None)
            # The log may have grown beyond `end`. Without a record there are only markers, or what was taken back.
            after = records[-1].offset + 1 if records else end
            self.reached = after if len(records) == AT_ONCE else max(end, after)

    def records(self, end: int) -> tuple[int, bool]:
        """How many wait below `end`, and whether that is exact: beyond what was looked at keys are taken to spread
        evenly.
        """
        if self.reached >= end:
            return sum(one.offset < end for one in self.waiting), True
        beyond = sum(max(0, end - max(self.reached, offset)) for offset in self.lanes) / len(self.lanes)
        return len(self.waiting) + round(beyond), False

    def _waiting(self, record: Record) -> Waiting | None:
        lane = lane_of(record.key or b"", len(self.lanes))
        if record.offset < self.lanes[lane]:
            return None
        context = _context(record)
        tenant, service_class = (str(context.get(name, "")) for name in ("tenant", "class"))
        times = appended_ms(record), record.timestamp_ms
        key = (record.key or b"").decode(errors="backslashreplace")
        return Waiting(record.offset, lane, *times, tenant, service_class, self.facets_of(record), key)


def _context(record: Record) -> Mapping[str, object]:
    try:
        return from_record(record).event.context
    except Undecodable:  # it will be parked, and waits until then
        return {}
