"""Where logs begin and end, asked for over a connection of its own.

A broker answers a connection's requests one after another: beside the fetches each question would wait for one to end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as ClientPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from outbox.errors import DependencyDown
from outbox.kafka.port import TopicPartition

WITHIN_S = 5.0


class Ranges:
    """Gone, with its threads, when nobody holds it any more."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._connect()

    def _connect(self) -> None:
        silent = 0  # the consumer beside it says what there is to say of the brokers
        self._client = AdminClient(
            {"bootstrap.servers": self._bootstrap, "client.id": "outbox-ranges", "log_level": silent}
        )

    def of(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        """First offset kept and the next to be written. Raises `DependencyDown`."""
        starts, ends = self._ask(partitions, OffsetSpec.earliest()), self._ask(partitions, OffsetSpec.latest())
        return {one: (starts[one], ends[one]) for one in partitions}

    def _ask(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        places = {ClientPartition(*one): spec for one in partitions}
        try:
            # To where a member may read: before an open transaction. Else it would look stuck there.
            committed = IsolationLevel.READ_COMMITTED
            asked = self._client.list_offsets(places, isolation_level=committed, request_timeout=WITHIN_S)
            return {
                TopicPartition(place.topic, place.partition): int(found.result(2 * WITHIN_S).offset)
                for place, found in asked.items()
            }
        except (KafkaException, TimeoutError) as error:
            # It would ask with the leader's epoch from before a broker's restart, and be refused, for minutes.
            self._connect()
            raise DependencyDown(f"Kafka does not tell the range of {len(places)} partitions: {error}") from error
