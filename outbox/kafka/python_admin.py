"""kafka-python's admin client behind the `Admin` port."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from kafka import KafkaAdminClient
from kafka import TopicPartition as ClientPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError
from kafka.protocol.consumer import OffsetSpec

from outbox.errors import ConfigurationError, DependencyDown
from outbox.kafka.port import TopicPartition, TopicState
from outbox.kafka.python_network import connecting
from outbox.kafka_settings import KafkaSettings

REQUEST_TIMEOUT_MS = 15_000
VISIBLE_WITHIN_S = 15.0
POLL_S = 0.05
_UNKNOWN_TOPIC = 3
_NO_ID = str(UUID(int=0))


class PythonAdmin:
    """One connection of its own. Close it."""

    def __init__(self, kafka: KafkaSettings | str, *, client_id: str = "outbox") -> None:
        with connecting(KafkaSettings.of(kafka)) as given:
            self._client = KafkaAdminClient(
                **given,
                client_id=client_id,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                reconnect_backoff_max_ms=1_000,
            )

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        """Create what is missing and wait until it can be written; another number of partitions is refused."""
        missing = {name: count for name, count in topics.items() if name not in self.describe(topics)}
        for name, count in missing.items():
            self._create(name, count)
        deadline = time.monotonic() + VISIBLE_WITHIN_S
        while not (states := self.describe(topics)).keys() >= topics.keys():
            if time.monotonic() > deadline:
                raise DependencyDown(f"topics {sorted(topics.keys() - states.keys())} were made but do not appear")
            time.sleep(POLL_S)
        for name, count in topics.items():
            if states[name].partitions != count:
                raise ConfigurationError(
                    f"topic {name} has {states[name].partitions} partitions, {count} are wanted; keys would change "
                    f"their partition: set the number to {states[name].partitions}, or use another topic"
                )

    def describe(self, topics: Iterable[str]) -> Mapping[str, TopicState]:
        """What there is of these topics; one that has no leader yet is not there yet."""
        names = list(topics)
        if not names:
            return {}
        with _kafka(f"Kafka does not describe {names}"):
            described = self._client.describe_topics(names)
        return {
            topic["name"]: TopicState(len(topic["partitions"]), _incarnation(topic.get("topic_id")))
            for topic in described
            if topic["error_code"] != _UNKNOWN_TOPIC and _has_leaders(topic["partitions"])
        }

    def end_offsets(self, topics: Iterable[str]) -> Mapping[TopicPartition, int]:
        """The next offset of every partition, whether or not a transaction still hides the records before it."""
        wanted = {
            ClientPartition(name, partition): OffsetSpec.LATEST
            for name, state in self.describe(topics).items()
            for partition in range(state.partitions)
        }
        if not wanted:
            return {}
        with _kafka(f"Kafka does not tell the ends of {len(wanted)} partitions"):
            ends = self._client.list_partition_offsets(wanted)
        return {TopicPartition(found.topic, found.partition): int(end.offset) for found, end in ends.items()}

    def retention_s(self, topics: Iterable[str]) -> Mapping[str, float | None]:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in self.describe(topics)]
        if not asked:
            return {}
        with _kafka(f"Kafka does not tell the retention of {len(asked)} topics"):
            configs = self._client.describe_configs(asked, config_filter="all")["topic"]
        kept = {name: int(config["retention.ms"]["value"]) for name, config in configs.items()}
        return {name: None if kept_ms < 0 else kept_ms / 1000 for name, kept_ms in kept.items()}

    def close(self) -> None:
        self._client.close()

    def _create(self, name: str, partitions: int) -> None:
        with _kafka(f"topic {name} cannot be made"):
            try:
                self._client.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=-1)])
            except TopicAlreadyExistsError:
                return  # somebody was quicker; the count is checked afterwards


def _incarnation(topic_id: object) -> str:
    """Empty where the broker has no topic ids, or only says zeros."""
    return "" if topic_id is None or str(topic_id) == _NO_ID else str(topic_id)


def _has_leaders(partitions: Iterable[Mapping[str, int]]) -> bool:
    leaders = [partition["leader_id"] for partition in partitions]
    return bool(leaders) and min(leaders) >= 0


@contextmanager
def _kafka(failure: str) -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError) as error:
        raise DependencyDown(f"{failure}: {error!r}; is it up, is the address right?") from error
