"""Where a group begins that has never read a topic: a term of its declaration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from outbox.errors import ConfigurationError
from outbox.kafka.port import GroupMember, TopicPartition

Word: TypeAlias = Literal["earliest", "latest"]
Start: TypeAlias = Word | datetime


def checked(start: Start) -> Start:
    """The same; `ConfigurationError` says what it may be."""
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise ConfigurationError(f"start is {start}, a time without a zone; give datetime(..., tzinfo=UTC)")
    elif start not in get_args(Word):
        raise ConfigurationError(f"start is {start!r}; give 'earliest', 'latest' or a datetime with a zone")
    return start


def begins(start: Start, consumer: GroupMember, topic: str, partitions: int) -> Mapping[TopicPartition, int] | None:
    """Where a new group stands in each partition of the topic; None where it is at the first record of each.

    All of them at once: one that is added to the topic later is read from its first record. `DependencyDown`.
    """
    every: Sequence[TopicPartition] = [TopicPartition(topic, number) for number in range(partitions)]
    if start == "earliest":
        return None
    if isinstance(start, datetime):
        return consumer.offsets_at(every, round(start.timestamp() * 1000))
    return {partition: end for partition, (_, end) in consumer.log_range(every).items()}
