"""Reads topics from end to end with a plain client, no group and no code of ours but the decoding."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaConsumer
from kafka import TopicPartition as ClientPartition

from outbox import ReceivedEvent
from outbox.kafka.codec import from_record
from outbox.kafka.port import Record
from outbox.kafka.python_network import Network

POLL_MS = 200


def read_topic(bootstrap: str, topic: str, partitions: int) -> list[Record]:
    """Every record up to the ends as they are now; in order within a partition."""
    consumer = KafkaConsumer(
        kafka_client=Network,
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        metrics_enabled=False,
    )
    with closing(consumer):
        places = [ClientPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        records: list[Record] = []
        left = {place for place, end in ends.items() if end > 0}
        while left:
            for place, fetched in consumer.poll(timeout_ms=POLL_MS).items():
                records += [
                    Record(one.topic, one.partition, one.offset, one.key, one.value, one.headers, one.timestamp)
                    for one in fetched
                ]
                if fetched[-1].offset + 1 >= ends[place]:
                    left.discard(place)
    return records


def read_events(bootstrap: str, topic: str, partitions: int) -> list[ReceivedEvent]:
    """The same, decoded."""
    return [from_record(record) for record in read_topic(bootstrap, topic, partitions)]
