"""How much a group has still to do, by its positions and the ends of the log: without reading what waits there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.consumer.lag.stored import StoredPosition, stored_positions
from outbox.kafka.port import Admin, TopicPartition


@dataclass(frozen=True, slots=True)
class Backlog:
    """Sums of offsets over partitions, so only their differences mean something. `done` is the mean over a partition's
    lanes, as keys spread over them evenly.
    """

    end: float
    done: float

    @property
    def waiting(self) -> float:
        return max(0.0, self.end - self.done)


def backlog_of(positions: Sequence[StoredPosition], ends: Mapping[TopicPartition, int]) -> Backlog:
    """A position beyond its partition's end, as of a topic made again, passes for no other partition's backlog."""
    there = [(one.lanes, ends[one.partition]) for one in positions if one.partition in ends]
    return Backlog(sum(ends.values()), sum(sum(min(lane, end) for lane in lanes) / len(lanes) for lanes, end in there))


def read_backlog(connection: PsycopgConnection, admin: Admin, group: str, topics: Sequence[str]) -> Backlog:
    """`connection` looks into the group's schema, in autocommit. Raises `DependencyDown` and psycopg's errors.

    The ends are read after the positions, so nothing counts as done that is not. Of a group that was never given a
    partition, nothing waits.
    """
    positions = [one for one in stored_positions(connection, group) if one.partition.topic in topics]
    if not positions:
        return Backlog(0.0, 0.0)
    return backlog_of(positions, admin.end_offsets(topics))
