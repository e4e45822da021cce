"""The `Reader` port over the broker in memory."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.errors import PositionLost
from outbox.kafka.port import Record, TopicPartition
from tests.support.kafka.memory import MemoryBroker


class MemoryReader:
    """Records by their place; thread-safe as the broker is."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def read(
        self,
        partition: TopicPartition,
        offset: int,
        limit: int,
        *,
        timeout_s: float = 10.0,  # noqa: ARG002 - the port's signature
    ) -> Sequence[Record]:
        with self._broker.changed:
            log = self._broker.log(partition)
            if not log.start <= offset <= log.end:
                raise PositionLost(f"{partition.topic}-{partition.partition} does not hold offset {offset} (any more)")
            return log.read(offset, limit)[0]

    def log_range(self, partition: TopicPartition) -> tuple[int, int]:
        with self._broker.changed:
            log = self._broker.log(partition)
            return log.start, log.end

    def offset_at(self, partition: TopicPartition, timestamp_ms: int) -> int | None:
        with self._broker.changed:
            log = self._broker.log(partition)
            return next((one.offset for one in log.records if one.timestamp_ms >= timestamp_ms), None)

    def close(self) -> None:
        """Nothing is open."""
