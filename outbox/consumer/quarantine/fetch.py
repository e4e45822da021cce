"""Records behind pointers: a few places of a partition, read in as few sweeps as they allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from outbox.errors import PositionLost
from outbox.kafka.port import Reader, Record, TopicPartition

# Reading on over records that nobody asked for (2 us each) is cheaper than another seek (5 ms), up to about so many.
READ_ON = 2_000
SWEEP_RECORDS = 5_000


def spans(offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last offset of each sweep, for ascending offsets.

    >>> list(spans([1, 3, 400, 9_000]))
    [(1, 400), (9000, 9000)]
    """
    first = last = None
    for offset in offsets:
        if first is not None and last is not None and offset - last > READ_ON:
            yield first, last
            first = None
        first, last = offset if first is None else first, offset
    if first is not None and last is not None:
        yield first, last


def fetch(reader: Reader, partition: TopicPartition, offsets: Sequence[int]) -> dict[int, Record]:
    """What the log still holds of `offsets`; the others are missing from the answer. Raises `DependencyDown`."""
    wanted, found = set(offsets), dict[int, Record]()
    start, _ = reader.log_range(partition)
    for first, last in spans(sorted(offset for offset in wanted if offset >= start)):
        try:
            for record in sweep(reader, partition, first, last):
                if record.offset in wanted:
                    found[record.offset] = record
        except PositionLost:
            continue  # retention came between
    return found


def sweep(reader: Reader, partition: TopicPartition, first: int, last: int) -> Iterator[Record]:
    """All from the first to the last offset; a read may go beyond, which is left out."""
    while first <= last:
        records = reader.read(partition, first, min(SWEEP_RECORDS, last - first + 1))
        if not records:
            return
        yield from (record for record in records if record.offset <= last)
        first = records[-1].offset + 1
