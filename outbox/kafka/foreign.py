"""Whose events a topic holds: a look at its newest records, before anything is written there or read from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from outbox.errors import PositionLost
from outbox.event import SourcePosition
from outbox.installation import SOURCES, foreign
from outbox.kafka.port import Reader, Record, TopicPartition

LOOK_BACK = 20  # records of each partition; who shares a topic shows in all of them soon


def foreign_source(reader: Reader, topic: str, partitions: int, ours: Collection[str]) -> str | None:
    """The source of another installation's event among the newest of the topic; None when there is none.

    Events without a position, such as Debezium's, and those of a bare source name say nothing of whose they are.
    """
    for number in range(partitions):
        for record in _newest(reader, TopicPartition(topic, number)):
            source = source_in(record)
            if source is not None and foreign(source, ours):
                return source
    return None


def foreign_sources(reader: Reader, topics: Mapping[str, int], ours: Collection[str]) -> dict[str, str]:
    """By topic, where there is one; `topics` gives the number of partitions."""
    found = {topic: foreign_source(reader, topic, partitions, ours) for topic, partitions in topics.items()}
    return {topic: source for topic, source in found.items() if source is not None}


def source_in(record: Record) -> str | None:
    """The source that the record's position names; None without a position that can be read."""
    try:
        position = dict(record.headers).get("position")
        return None if position is None else SourcePosition.parse(position.decode()).source
    except (ValueError, AttributeError):  # headers of somebody else's, damaged or null
        return None


def way_out(topic: str, source: str) -> str:
    """What is wrong, and what to do."""
    return (
        f"topic {topic} holds events of another installation, of source {source}: each would act on the other's. "
        "Give this one topics of its own: set OUTBOX_TOPIC_PREFIX and OUTBOX_GROUP_PREFIX, the same for its relay and "
        f"its consumers. If that source is this database before it moved, name it in {SOURCES}. In a program: "
        f"Relay(..., prefix=...), or Relay(..., sources=[{source!r}]) "
        "(docs/howto/move-the-database.md#to-another-server-or-name-planned)"
    )


def _newest(reader: Reader, partition: TopicPartition) -> Collection[Record]:
    start, end = reader.log_range(partition)
    if start >= end:
        return ()
    try:
        return reader.read(partition, max(start, end - LOOK_BACK), LOOK_BACK)
    except PositionLost:  # retention came between
        return ()
