"""What a watchdog must find: clients that forget a partition and tell nobody."""

from __future__ import annotations

from kafka import TopicPartition as ClientPartition

from outbox.kafka.port import GroupMember, TopicPartition
from outbox.kafka.python_consumer import PythonConsumer


def paused_behind_our_back(consumer: GroupMember, partition: TopicPartition) -> None:
    """As a client that lost the order to go on: taking the partition anew helps."""
    assert isinstance(consumer, PythonConsumer)
    consumer._client.pause(ClientPartition(*partition))


def never_fetched_again(consumer: GroupMember, partition: TopicPartition) -> None:
    """As a client whose books are wrong for good: only a new one helps."""
    assert isinstance(consumer, PythonConsumer)
    fetcher = consumer._client._fetcher
    fetchable = fetcher._fetchable_partitions
    fetcher._fetchable_partitions = lambda: [one for one in fetchable() if one != ClientPartition(*partition)]
