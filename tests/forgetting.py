"""What a watchdog must find: clients that forget a partition and tell nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import confluent_kafka
from kafka import TopicPartition as ClientPartition

from outbox.kafka.confluent_consumer import ConfluentConsumer
from outbox.kafka.port import Consumer, TopicPartition
from outbox.kafka.python_consumer import PythonConsumer

if TYPE_CHECKING:
    from collections.abc import Sequence


def paused_behind_our_back(consumer: Consumer, partition: TopicPartition) -> None:
    """As a client that lost the order to go on: taking the partition anew helps."""
    if isinstance(consumer, PythonConsumer):
        consumer._client.pause(ClientPartition(*partition))
    elif isinstance(consumer, ConfluentConsumer):
        start = consumer._start

        def pause_and_start() -> None:  # on the polling thread: others wait for the client until it is idle
            consumer._client.pause([confluent_kafka.TopicPartition(*partition)])
            consumer._start = start  # type: ignore[method-assign] # once
            start()

        consumer._start = pause_and_start  # type: ignore[method-assign] # between two fetches
    else:
        raise TypeError(type(consumer))


def never_fetched_again(consumer: Consumer, partition: TopicPartition) -> None:
    """As a client whose books are wrong for good: only a new one helps."""
    if isinstance(consumer, PythonConsumer):
        fetcher = consumer._client._fetcher
        fetchable = fetcher._fetchable_partitions
        fetcher._fetchable_partitions = lambda: [one for one in fetchable() if one != ClientPartition(*partition)]
    elif isinstance(consumer, ConfluentConsumer):
        consumer._client = _Deaf(consumer._client, partition)  # type: ignore[assignment] # as much of it as is used
    else:
        raise TypeError(type(consumer))


class _Deaf:
    """librdkafka's client, but for the messages of one partition."""

    def __init__(self, client: confluent_kafka.Consumer, partition: TopicPartition) -> None:
        self._client, self._partition = client, partition

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def consume(self, count: int, timeout_s: float) -> Sequence[confluent_kafka.Message]:
        return [
            one
            for one in self._client.consume(count, timeout_s)
            if (one.topic(), one.partition()) != tuple(self._partition)
        ]
