"""The relay's own account: every event of the table stands in the topics, and how often."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection, connect
from outbox.errors import DependencyDown
from outbox.kafka.port import GroupMember, TopicPartition
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka_settings import KafkaSettings

__all__ = ["Account", "account", "account_of"]

_APPENDED = "SELECT id::text FROM outbox.outbox"


@dataclass(frozen=True, slots=True)
class Account:
    """`missing`: ids in the table and in no topic. `repeated`: records beyond the first of an id (at-least-once)."""

    appended: int
    published: int
    repeated: int
    missing: tuple[str, ...]


def account_of(environ: Mapping[str, str], topics: Sequence[str], *, group: str) -> Account:
    """`account` of the database and the Kafka of `STRANGLER_DSN` and `KAFKA_BOOTSTRAP`, by a member of that group."""
    consumer = PythonConsumer(KafkaSettings.from_environ(environ), group=group)
    try:
        with connect(environ["STRANGLER_DSN"], "", autocommit=True) as connection:
            return account(connection, consumer, topics)
    finally:
        consumer.close()


def account(
    connection: PsycopgConnection, consumer: GroupMember, topics: Sequence[str], *, timeout_s: float = 30.0
) -> Account:
    """Read the table, then the topics from first to last offset, and compare by event id.

    `consumer` must be a fresh member of a group of its own; it is left subscribed. Events are compared as of the
    call: one that is appended later may show as published only, which is not counted against anybody.
    """
    appended = {row[0] for row in connection.execute(_APPENDED)}
    published = _published_ids(consumer, topics, time.monotonic() + timeout_s)
    missing = tuple(sorted(appended - published.keys()))
    return Account(len(appended), len(published), published.total() - len(published), missing)


def _published_ids(consumer: GroupMember, topics: Sequence[str], deadline: float) -> Counter[str]:
    consumer.subscribe(topics, on_assigned=lambda _: None, on_revoked=lambda _: None)
    ends: dict[TopicPartition, int] | None = None
    ids: Counter[str] = Counter()
    while ends is None or ends:
        if time.monotonic() > deadline:
            raise DependencyDown(f"the topics {', '.join(topics)} were not read to their end in time: {ends}")
        records = consumer.poll(0.2, 1000)
        assigned = consumer.assignment()
        if ends is None and {partition.topic for partition in assigned} == set(topics):
            ends = _rewind(consumer, assigned)
            ids.clear()
            continue
        for record in records:
            ids.update(value.decode() for name, value in record.headers if name == "id")
        if ends is not None:  # by the position: behind the last record may stand markers of transactions
            ends = {partition: end for partition, end in ends.items() if consumer.position(partition) < end}
    return ids


def _rewind(consumer: GroupMember, assigned: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    ends = {}
    for partition, (start, end) in consumer.log_range(assigned).items():
        consumer.seek(partition, start)
        if end > start:
            ends[partition] = end
    consumer.resume(assigned)
    return ends
