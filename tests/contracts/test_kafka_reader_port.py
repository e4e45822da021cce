"""The `Reader` port: records by their place, and nobody's group is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from outbox.errors import PositionLost
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader

COUNT = 25


@pytest.fixture
def place(bootstrap: str, topic_prefix: str) -> TopicPartition:
    """A partition that holds the values b"0", b"1", ... in order."""
    topic = f"{topic_prefix}read"
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({topic: 2})
    producer = PythonProducer(bootstrap)
    for number in range(COUNT):
        producer.send(topic, b"one-key", str(number).encode(), [])
    producer.flush(10)
    producer.close(10)
    return TopicPartition(topic, partition_of(b"one-key", 2))


@pytest.fixture
def reader(bootstrap: str) -> Iterator[PythonReader]:
    with closing(PythonReader(bootstrap)) as reader:
        yield reader


def test_it_reads_from_the_offset_on_and_no_more_than_asked(place: TopicPartition, reader: PythonReader) -> None:
    assert [record.value for record in reader.read(place, 7, 3)] == [b"7", b"8", b"9"]
    assert [record.value for record in reader.read(place, COUNT - 1, 100)] == [str(COUNT - 1).encode()]
    assert reader.read(place, COUNT, 1) == []
    assert reader.log_range(place) == (0, COUNT)


@pytest.mark.parametrize("offset", [-1, COUNT + 1])
def test_an_offset_outside_the_log_is_said(place: TopicPartition, reader: PythonReader, offset: int) -> None:
    with pytest.raises(PositionLost):
        reader.read(place, offset, 1)


def test_it_finds_offsets_by_time(place: TopicPartition, reader: PythonReader) -> None:
    records = reader.read(place, 0, COUNT)

    assert reader.offset_at(place, records[0].timestamp_ms) == 0
    assert reader.offset_at(place, records[-1].timestamp_ms + 60_000) is None
