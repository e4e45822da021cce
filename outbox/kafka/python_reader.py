"""kafka-python behind the `Reader` port: records by their place, without a group, for people and for replays."""

from __future__ import annotations

import time
from collections.abc import Sequence

from kafka import KafkaConsumer
from kafka import TopicPartition as ClientPartition
from kafka.errors import KafkaError, OffsetOutOfRangeError

from outbox.errors import DependencyDown, PositionLost
from outbox.kafka.port import ISOLATION, Record, TopicPartition
from outbox.kafka.python_network import connecting
from outbox.kafka.python_records import read_quickly
from outbox.kafka_settings import KafkaSettings

POLL_MS = 200
RANGE_WITHIN_MS = 5_000


class PythonReader:
    """Not thread-safe; it belongs to whoever made it. Joins no group, commits nothing."""

    def __init__(self, kafka: KafkaSettings | str, *, client_id: str = "outbox-reader") -> None:
        with connecting(KafkaSettings.of(kafka)) as given:
            self._client = KafkaConsumer(
                **given,
                group_id=None,
                client_id=client_id,
                reconnect_backoff_max_ms=1_000,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level=ISOLATION,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        read_quickly(self._client)

    def read(self, partition: TopicPartition, offset: int, limit: int, *, timeout_s: float = 10.0) -> Sequence[Record]:
        place = ClientPartition(*partition)
        records: list[Record] = []
        deadline = time.monotonic() + timeout_s
        try:
            self._client.assign([place])
            start, end = self.log_range(partition)
            if not start <= offset <= end:
                raise _lost(partition, offset)
            self._client.seek(place, offset)
            while len(records) < limit and self._client.position(place) < end:
                if time.monotonic() > deadline:
                    raise DependencyDown(f"{partition.topic}-{partition.partition}@{offset} was not read in time")
                for batch in self._client.poll(timeout_ms=POLL_MS, max_records=limit - len(records)).values():
                    records += batch
        except OffsetOutOfRangeError as error:
            raise _lost(partition, offset) from error  # the log's start has moved on meanwhile
        except KafkaError as error:
            raise DependencyDown(f"Kafka does not answer a read: {error!r}") from error
        return records

    def log_range(self, partition: TopicPartition) -> tuple[int, int]:
        place = ClientPartition(*partition)
        try:
            starts = self._client.beginning_offsets([place], timeout_ms=RANGE_WITHIN_MS)
            ends = self._client.end_offsets([place], timeout_ms=RANGE_WITHIN_MS)
        except KafkaError as error:
            raise DependencyDown(f"Kafka does not tell the range of {partition}: {error!r}") from error
        return int(starts[place]), int(ends[place])

    def offset_at(self, partition: TopicPartition, timestamp_ms: int) -> int | None:
        place = ClientPartition(*partition)
        try:
            found = self._client.offsets_for_times({place: timestamp_ms}, timeout_ms=RANGE_WITHIN_MS)[place]
        except KafkaError as error:
            raise DependencyDown(f"Kafka does not tell offsets by time: {error!r}") from error
        return None if found is None else int(found.offset)

    def close(self) -> None:
        self._client.close()


def _lost(partition: TopicPartition, offset: int) -> PositionLost:
    return PositionLost(f"{partition.topic}-{partition.partition} does not hold offset {offset} (any more)")
