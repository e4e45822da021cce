"""Partitions whose stored position is not in the log: they stand still until a person says where to go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.lag.stored import stored_positions
from outbox.consumer.partitions.in_log import why_lost
from outbox.kafka.port import Admin, Reader, TopicPartition


def lost(
    connection: PsycopgConnection, group: str, topics: Sequence[str], admin: Admin, reader: Reader
) -> Mapping[TopicPartition, str]:
    """Of these topics, as a member of the group finds them when it is given the partition, and why."""
    states = admin.describe(topics)
    found = {
        one.partition: why_lost(
            one.partition, one.lanes, one.incarnations, states.get(one.partition.topic), reader.log_range
        )
        for one in stored_positions(connection, group)
        if one.partition.topic in topics
    }
    return {partition: why for partition, why in found.items() if why is not None}
