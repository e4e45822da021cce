"""librdkafka's messages as our records, in one loop: topics and the names of headers are shared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from outbox.kafka.headers import Names, ParsedHeaders
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
    new, bare = tuple.__new__, object.__new__
    place, records = TopicPartition("", -1), list[Record]()
    topic, number = place
    last: tuple[str, ...] = ()
    names = Names.shared(last)
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
        if headers := message.headers():
            called, values = _apart(headers)
            if called != last:  # neighbours have the same
                last, names = called, Names.shared(called)
            held = bare(ParsedHeaders)
            held.names, held.values = names, values
        offset, key, value, moment = message.offset(), message.key(), message.value(), message.timestamp()[1]
        records.append(new(Record, (topic, number, offset, key, value, held if headers else (), moment)))
    if records:
        yield Fetched(place, records)


def _apart(headers: Any) -> tuple[tuple[str, ...], tuple[bytes, ...]]:  # pairs, whatever the client's types say
    """Their names and their values. As many as our relay's mostly are by hand, in half of what `zip` takes."""
    if len(headers) == 4:
        (n1, v1), (n2, v2), (n3, v3), (n4, v4) = headers
        return (n1, n2, n3, n4), (v1, v2, v3, v4)
    if len(headers) == 5:
        (n1, v1), (n2, v2), (n3, v3), (n4, v4), (n5, v5) = headers
        return (n1, n2, n3, n4, n5), (v1, v2, v3, v4, v5)
    names, values = zip(*headers, strict=True)
    return names, values


def _number(number: int | None) -> int:
    return -1 if number is None else number
