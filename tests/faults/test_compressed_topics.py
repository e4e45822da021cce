"""A topic's `compression.type` makes the broker compress what came plain, by its own libraries."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from outbox.kafka.port import TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_network import Network
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from tests.contracts.kafka_members import WITHIN_S
from tests.contracts.test_kafka_compression import EACH, rows_of, sent
from tests.support.kafka.compressing import CODECS


def test_a_topic_that_its_broker_compresses_is_read(bootstrap: str, topic_prefix: str) -> None:
    """What our own relay sends comes back compressed, by the broker's own libraries."""
    topics = {name: f"{topic_prefix}{name}" for name in CODECS}
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap, kafka_client=Network)) as admin:
        made = [NewTopic(topic, 1, -1, topic_configs={"compression.type": name}) for name, topic in topics.items()]
        admin.create_topics(made)
    with closing(PythonAdmin(bootstrap)) as ours:
        ours.ensure_topics(dict.fromkeys(topics.values(), 1))
    producer = PythonProducer(bootstrap)
    for name, topic in topics.items():
        for key, value in rows_of(name):
            producer.send(topic, key, value, [("id", key)])
    producer.close(WITHIN_S)
    with closing(PythonReader(bootstrap)) as reader:
        for name, topic in topics.items():
            assert sent(reader.read(TopicPartition(topic, 0), 0, EACH)) == rows_of(name)
