"""librdkafka's messages as our records, in one loop: headers are read here, once; topics are shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from outbox.kafka.port import Record, TopicPartition


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records of one partition that follow each other, never none."""

    partition: TopicPartition
    records: list[Record]

    @property
    def next_offset(self) -> int:
        return self.records[-1].offset + 1


@dataclass(frozen=True, slots=True)
class Trouble:
    """What came instead of a record: the end of a partition, or an error. Without a place, both parts are empty."""

    partition: TopicPartition
    offset: int
    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.partition.topic}/{self.partition.partition}@{self.offset}: {self.text}"


def read_messages(messages: Sequence[Message]) -> Iterator[Fetched | Trouble]:
    """In the order they came, neighbours of one partition together."""
    new = tuple.__new__
    place, records = TopicPartition("", -1), list[Record]()
    topic, number = place
    for message in messages:
        if (error := message.error()) is not None:
            if records:
                yield Fetched(place, records)
                records = []
            where = TopicPartition(message.topic() or "", _number(message.partition()))
            yield Trouble(where, _number(message.offset()), error.code(), error.str())
            continue
        if message.partition() != number or message.topic() != topic:
            if records:
                yield Fetched(place, records)
            topic, number = place = TopicPartition(str(message.topic()), _number(message.partition()))
            records = []
        offset, key, value, headers = message.offset(), message.key(), message.value(), message.headers()
        records.append(new(Record, (topic, number, offset, key, value, headers or (), message.timestamp()[1])))
    if records:
        yield Fetched(place, records)


def _number(number: int | None) -> int:
    return -1 if number is None else number
