"""The partition of a key, as Kafka's Java client and kafka-python choose it."""

from __future__ import annotations

from kafka.partitioner import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """Where a record with this key goes in a topic of so many partitions.

    >>> partition_of(b"order-1", 4)
    2
    """
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
