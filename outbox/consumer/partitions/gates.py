"""Which partitions flow, which are paused, and which of those may go on. Pure; the caller holds the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from outbox.consumer.partitions.lanes import PartitionLanes
from outbox.kafka.port import TopicPartition

Lanes = Mapping[TopicPartition, PartitionLanes]


class Flow(NamedTuple):
    """How many of the open partitions flow, and how many are full."""

    flowing: int
    paused: int


def turned(partitions: Lanes) -> tuple[list[TopicPartition], list[TopicPartition]]:
    """Partitions to pause and to resume, by their bounds, from now."""
    pause: list[TopicPartition] = []
    resume: list[TopicPartition] = []
    for partition, lanes in partitions.items():
        before = lanes.paused
        if lanes.gate() != before and not lanes.dry:
            (resume if before else pause).append(partition)
    return pause, resume


def flow_of(partitions: Lanes) -> Flow:
    wet = [lanes.paused for lanes in partitions.values() if not lanes.dry]
    return Flow(wet.count(False), wet.count(True))


def some_have_room(partitions: Lanes) -> bool:
    """Of those that are paused."""
    return any(lanes.has_room for lanes in partitions.values())
