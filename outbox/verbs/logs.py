"""The logs that positions stand in, as Kafka tells them now."""

from __future__ import annotations

from contextlib import ExitStack, closing
from functools import cache

from outbox.consumer.partitions.in_log import why_lost
from outbox.consumer.partitions.lineage import Stand
from outbox.errors import OutboxError
from outbox.kafka.port import TopicPartition, TopicState
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings


class Logs:
    """Each is asked for once. Close it. `DependencyDown` when Kafka does not answer."""

    def __init__(self, kafka: KafkaSettings) -> None:
        with ExitStack() as opened:
            self._admin = opened.enter_context(closing(PythonAdmin(kafka, client_id="outbox-positions")))
            self._reader = opened.enter_context(closing(PythonReader(kafka, client_id="outbox-positions")))
            self._opened = opened.pop_all()
        self._state, self.range = cache(self._described), cache(self._reader.log_range)

    def close(self) -> None:
        self._opened.close()

    def incarnation(self, topic: str) -> str | None:
        """None: there is no such topic."""
        state = self._state(topic)
        return None if state is None else state.incarnation

    def at_time(self, partition: TopicPartition, timestamp_ms: int) -> int:
        """The first offset that is not older, the log's end where all are."""
        found = self._reader.offset_at(partition, timestamp_ms)
        return self.range(partition)[1] if found is None else found

    def lost(self, stand: Stand) -> str | None:
        """Why a member that is given the partition would stop there; None if it would not."""
        partition = TopicPartition(stand.topic, stand.partition)
        return why_lost(partition, [stand.next_offset], [stand.incarnation], self._state(stand.topic), self.range)

    def require(self, topic: str) -> TopicState:
        """The topic, which must be there."""
        state = self._state(topic)
        if state is None:
            raise OutboxError(f"refused: the broker has no topic {topic}; check its name")
        return state

    def _described(self, topic: str) -> TopicState | None:
        return self._admin.describe([topic]).get(topic)
