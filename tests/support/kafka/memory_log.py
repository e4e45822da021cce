"""The logs of an in-memory broker: topics, partitions, records. Not thread-safe; the broker holds the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from outbox.kafka.port import Record


@dataclass(slots=True)
class Log:
    """One partition. Offsets grow and may have gaps; `start` to `end` is its range."""

    start: int = 0
    end: int = 0
    records: list[Record] = field(default_factory=list)

    def append(self, record: Record) -> None:
        self.records.append(record)
        self.end = record.offset + 1

    def mark(self) -> None:
        """Use up an offset without a record, as a transaction marker does."""
        self.end += 1

    def delete_before(self, offset: int) -> None:
        """Retention."""
        self.start = max(self.start, offset)
        self.records = [record for record in self.records if record.offset >= self.start]

    def truncate(self, end: int) -> None:
        """Lose the tail, as a broker that was killed before it flushed."""
        self.end = end
        self.records = [record for record in self.records if record.offset < end]

    def read(self, offset: int, limit: int) -> tuple[Sequence[Record], int]:
        """Up to `limit` records from `offset`, and the offset to read next."""
        found: list[Record] = []
        for record in self.records[self._index(offset) :]:
            if len(found) == limit:
                return found, record.offset
            found.append(record)
        return found, self.end

    def _index(self, offset: int) -> int:
        low, high = 0, len(self.records)
        while low < high:
            middle = (low + high) // 2
            if self.records[middle].offset < offset:
                low = middle + 1
            else:
                high = middle
        return low


@dataclass(slots=True)
class Topic:
    """Its partitions, and the id that changes when it is made again."""

    incarnation: str
    logs: list[Log]
