"""How much a group has still to do, by its positions and the ends of the log: without reading what waits there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.consumer.lag.figures import lasting
from outbox.consumer.lag.stored import StoredPosition, stored_members, stored_positions
from outbox.consumer.partitions.standing import FOR_A_PERSON, Standing, StandingCause
from outbox.kafka.port import Admin, TopicPartition


@dataclass(frozen=True, slots=True)
class Backlog:
    """Sums of offsets over partitions, so only their differences mean something. `done` is the mean over a partition's
    lanes, as keys spread over them evenly. `stuck` of what is not done waits for a person, and is nobody's to wait for:
    apart from `done`, so that what comes to stand, or goes on, is not taken for work.
    """

    end: float
    done: float
    stuck: float = 0.0

    @property
    def waiting(self) -> float:
        return max(0.0, self.end - self.done - self.stuck)


def backlog_of(
    positions: Sequence[StoredPosition], ends: Mapping[TopicPartition, int], standing: Collection[Standing] = ()
) -> Backlog:
    """A position beyond its partition's end, as of a topic made again, passes for no other partition's backlog.

    Stuck are partitions that cannot be gone on with, and lanes that stand, where they are less than half of their
    partition's.
    """
    ended = {(one.topic, one.partition) for one in standing if one.cause in FOR_A_PERSON}
    done = stuck = 0.0
    for one in positions:
        if (end := ends.get(one.partition)) is not None:
            left_out = stuck_lanes(one, standing)
            flowing = [offset for number, offset in enumerate(one.lanes) if number not in left_out]
            come = _mean(one.lanes, end)
            done += come
            stuck += (end if tuple(one.partition) in ended else _mean(flowing, end)) - come
    return Backlog(sum(ends.values()), done, stuck)


def _mean(lanes: Sequence[int], end: int) -> float:
    return sum(min(lane, end) for lane in lanes) / len(lanes)


def stuck_lanes(position: StoredPosition, standing: Collection[Standing]) -> set[int]:
    """Lanes that stand, where they are the smaller part: some keys' trouble, and who feeds the others need not wait."""
    found = {
        one.lane
        for one in standing
        if one.cause is StandingCause.LANE_STANDS
        and one.lane is not None
        and (one.topic, one.partition) == tuple(position.partition)
    }
    return found if 2 * len(found) < len(position.lanes) else set()


def read_backlog(connection: PsycopgConnection, admin: Admin, group: str, topics: Sequence[str]) -> Backlog:
    """`connection` looks into the group's schema, in autocommit. Raises `DependencyDown` and psycopg's errors.

    The ends are read after the positions, so nothing counts as done that is not. Of a group that was never given a
    partition, nothing waits.
    """
    positions = [one for one in stored_positions(connection, group) if one.partition.topic in topics]
    if not positions:
        return Backlog(0.0, 0.0)
    members = [one for one in stored_members(connection, group) if one.lives]
    standing = lasting(one for member in members for one in member.standing)
    return backlog_of(positions, admin.end_offsets(topics), standing)
