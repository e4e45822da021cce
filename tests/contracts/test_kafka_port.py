"""What every `Producer` and `Admin` must do, the ones in memory too. Expectations are written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from outbox.errors import ConfigurationError, DependencyDown
from outbox.kafka.port import Admin, Producer, Record, TopicPartition, TopicState
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_network import Network
from outbox.kafka.python_producer import PythonProducer
from tests.support.kafka.memory import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from tests.support.topic_reader import read_topic
from tests.support.waiting import wait_until

WITHIN_S = 30.0
PARTITIONS = 4
# Worked out by hand from the hashes in Java's own UtilsTest: (hash & 0x7fffffff) % 4.
PARTITION = {b"21": 0, b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 1, b"foobar": 2, b"abc": 3}


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker under test; `topic` does not exist yet."""

    admin: Admin
    producer: Producer
    topic: str
    bootstrap: str | None
    memory: MemoryBroker

    def records(self) -> list[Record]:
        """All of the topic, in order within a partition."""
        if self.bootstrap is not None:
            return read_topic(self.bootstrap, self.topic, PARTITIONS)
        consumer = MemoryConsumer(self.memory, group="reader")
        consumer.subscribe([self.topic], on_assigned=lambda _: None, on_revoked=lambda _: None)
        records: list[Record] = []
        count = sum(self.admin.end_offsets([self.topic]).values())
        wait_until(lambda: len(records.__iadd__(consumer.poll(0, 100))) == count, within_s=WITHIN_S)
        return records


@pytest.fixture(params=["memory", "kafka-python"])
def broker(request: pytest.FixtureRequest, topic_prefix: str) -> Iterator[Broker]:
    memory, topic = MemoryBroker(), f"{topic_prefix}order"
    if request.param == "memory":
        yield Broker(MemoryAdmin(memory), MemoryProducer(memory), topic, None, memory)
        return
    bootstrap = request.getfixturevalue("bootstrap")
    with closing(PythonAdmin(bootstrap)) as admin:
        producer = PythonProducer(bootstrap)
        yield Broker(admin, producer, topic, bootstrap, memory)
        producer.close(WITHIN_S)


def test_a_topic_is_made_once_with_its_partitions(broker: Broker) -> None:
    assert broker.admin.describe([broker.topic]) == {}

    broker.admin.ensure_topics({broker.topic: PARTITIONS})
    first = broker.admin.describe([broker.topic, "never-made"])
    broker.admin.ensure_topics({broker.topic: PARTITIONS})

    assert first == broker.admin.describe([broker.topic])
    assert first[broker.topic] == TopicState(PARTITIONS, first[broker.topic].incarnation)


def test_another_number_of_partitions_is_refused_and_changes_nothing(broker: Broker) -> None:
    broker.admin.ensure_topics({broker.topic: PARTITIONS})

    with pytest.raises(ConfigurationError, match=r"has 4 partitions, 5 are wanted"):
        broker.admin.ensure_topics({broker.topic: 5})
    assert broker.admin.describe([broker.topic])[broker.topic].partitions == PARTITIONS


def test_the_ends_count_what_was_written(broker: Broker) -> None:
    broker.admin.ensure_topics({broker.topic: PARTITIONS})
    places = [TopicPartition(broker.topic, number) for number in range(PARTITIONS)]
    assert broker.admin.end_offsets([broker.topic]) == dict.fromkeys(places, 0)
    assert broker.admin.end_offsets(["never-made"]) == {}
    kept_s = broker.admin.retention_s([broker.topic, "never-made"])
    assert kept_s == {broker.topic: 7 * 86_400.0 if broker.bootstrap else None}  # a week is Kafka's own default

    for key in [b"foobar", b"foobar", b"abc"]:
        broker.producer.send(broker.topic, key, b"v", [])
    broker.producer.flush(WITHIN_S)

    assert broker.admin.end_offsets([broker.topic]) == {places[0]: 0, places[1]: 0, places[2]: 2, places[3]: 1}


def test_a_record_arrives_as_it_was_sent(broker: Broker) -> None:
    broker.admin.ensure_topics({broker.topic: PARTITIONS})
    delivery = broker.producer.send(broker.topic, b"k", b"\x00\xff", [("id", b"1"), ("id", b"2"), ("empty", b"")])
    broker.producer.send(broker.topic, b"k", None, [])
    broker.producer.flush(WITHIN_S)

    assert (delivery.done(), delivery.error()) == (True, None)
    sent, tombstone = broker.records()
    assert (sent.topic, sent.key, sent.value, sent.offset) == (broker.topic, b"k", b"\x00\xff", 0)
    assert list(sent.headers) == [("id", b"1"), ("id", b"2"), ("empty", b"")]
    assert sent.timestamp_ms > 0
    assert (tombstone.key, tombstone.value, tombstone.offset) == (b"k", None, 1)


def test_a_key_goes_to_the_partition_that_java_would_choose(broker: Broker) -> None:
    broker.admin.ensure_topics({broker.topic: PARTITIONS})
    for key in PARTITION:
        broker.producer.send(broker.topic, key, b"v", [])
    broker.producer.flush(WITHIN_S)

    assert {record.key: record.partition for record in broker.records()} == PARTITION


def test_the_order_of_a_key_is_kept(broker: Broker) -> None:
    broker.admin.ensure_topics({broker.topic: PARTITIONS})
    for number in range(300):
        broker.producer.send(broker.topic, list(PARTITION)[number % 4], str(number).encode(), [])
    broker.producer.flush(WITHIN_S)

    by_key: dict[bytes | None, list[int]] = {}
    for record in broker.records():
        by_key.setdefault(record.key, []).append(int(record.value or b""))
    assert by_key == {key: list(range(first, 300, 4)) for first, key in enumerate(PARTITION)}


def test_a_closed_producer_takes_nothing(broker: Broker) -> None:
    broker.admin.ensure_topics({broker.topic: PARTITIONS})
    broker.producer.send(broker.topic, b"k", b"v", [])
    broker.producer.close(WITHIN_S)

    with pytest.raises(DependencyDown):
        broker.producer.send(broker.topic, b"k", b"late", [])
    assert [record.value for record in broker.records()] == [b"v"]


def test_nothing_is_written_after_a_record_that_failed(bootstrap: str, topic_prefix: str) -> None:
    """kafka-python itself would go on: later records of a key would come before the one that is sent again."""
    topic = f"{topic_prefix}small"
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap, kafka_client=Network)) as client:
        client.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "2000"})])
        client.wait_for_topics([topic])
    producer = PythonProducer(bootstrap)
    producer.send(topic, b"k", b"good", [])
    producer.flush(WITHIN_S)

    bad = producer.send(topic, b"k", bytes(5_000), [])
    wait_until(bad.done, within_s=WITHIN_S)
    assert bad.error() is not None
    with pytest.raises(DependencyDown, match="spent"):
        producer.send(topic, b"k", b"after", [])
    with pytest.raises(DependencyDown, match="spent"):
        producer.flush(WITHIN_S)
    producer.close(WITHIN_S)

    assert [record.value for record in read_topic(bootstrap, topic, 1)] == [b"good"]
