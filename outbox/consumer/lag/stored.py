"""What a group's database says of it at one moment: positions, members, quarantine, the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.standing import Standing
from outbox.kafka.port import TopicPartition

ALIVE_S = 5.0  # a member speaks once a second

# The clock last: what is done after the snapshot is no older than it.
_CLOCK = "SELECT extract(epoch FROM clock_timestamp())::float8"

_POSITIONS = """
SELECT topic, partition, array_agg(next_offset ORDER BY lane), array_agg(DISTINCT incarnation),
       extract(epoch FROM max(updated_at))::float8,
       extract(epoch FROM (array_agg(updated_at ORDER BY next_offset, updated_at DESC))[1])::float8
FROM position WHERE group_name = %s GROUP BY topic, partition ORDER BY topic, partition"""

_MEMBERS = """
SELECT extract(epoch FROM clock_timestamp() - seen_at)::float8, held, standing FROM member
WHERE group_name = %s ORDER BY seen_at DESC"""

# The first of each partition, with how many there are. Counted first: only the first one's headers are read.
PARKED = """
SELECT topic, partition, incarnation, "offset", kept_headers, extract(epoch FROM parked_at)::float8, parked
FROM (SELECT group_name, topic, partition, incarnation, min("offset") AS "offset", count(*) AS parked
      FROM quarantine WHERE group_name = %s AND resolved_at IS NULL
      GROUP BY group_name, topic, partition, incarnation) AS counted
JOIN quarantine USING (group_name, topic, incarnation, partition, "offset")"""


ParkedPlace = tuple[TopicPartition, str, int]  # with the incarnation and the offset


@dataclass(frozen=True, slots=True)
class StoredPosition:
    """Next offsets by lane. In seconds of the epoch: when a lane moved, and when the last one that is furthest behind
    came there: others may go on while it stands.
    """

    partition: TopicPartition
    lanes: tuple[int, ...]
    incarnations: tuple[str, ...]
    moved_at: float
    came_at: float


@dataclass(frozen=True, slots=True)
class StoredMember:
    """What a member said `seen_s` ago; `held` is None where it took its leave."""

    seen_s: float
    held: frozenset[TopicPartition] | None
    standing: tuple[Standing, ...]

    @property
    def lives(self) -> bool:
        return self.seen_s < ALIVE_S and self.held is not None


@dataclass(frozen=True, slots=True)
class StoredParked:
    """The first event in quarantine of a partition of an incarnation, and how many there are."""

    partition: TopicPartition
    incarnation: str
    offset: int
    kept_headers: Any
    parked_at: float
    count: int

    @property
    def place(self) -> ParkedPlace:
        return self.partition, self.incarnation, self.offset


@dataclass(frozen=True, slots=True)
class Stored:
    """`at`: seconds of the epoch by the database's clock."""

    at: float
    positions: Sequence[StoredPosition]
    members: Sequence[StoredMember]
    parked: Sequence[StoredParked]


def stored(connection: PsycopgConnection, group: str) -> Stored:
    """Reads only; the connection looks into the group's schema."""
    with connection.transaction():
        positions = stored_positions(connection, group)
        clock = connection.execute(_CLOCK).fetchone() or (0.0,)
        members = stored_members(connection, group)
        parked = connection.execute(PARKED, [group]).fetchall()
    return Stored(
        clock[0],
        positions,
        members,
        [StoredParked(TopicPartition(*row[:2]), *row[2:]) for row in parked],
    )


def stored_positions(connection: PsycopgConnection, group: str) -> Sequence[StoredPosition]:
    """Of every partition that a member of the group was ever given, in their order."""
    rows = connection.execute(_POSITIONS, [group]).fetchall()
    return [StoredPosition(TopicPartition(*row[:2]), tuple(row[2]), tuple(row[3]), *row[4:]) for row in rows]


def stored_members(connection: PsycopgConnection, group: str) -> Sequence[StoredMember]:
    """What members said last, the newest first."""
    return [_member(*row) for row in connection.execute(_MEMBERS, [group]).fetchall()]


def _member(seen_s: float, held: Sequence[tuple[str, int]] | None, standing: Sequence[dict[str, Any]]) -> StoredMember:
    return StoredMember(
        max(0.0, seen_s),
        None if held is None else frozenset(TopicPartition(*one) for one in held),
        tuple(Standing.from_json(one) for one in standing),
    )
