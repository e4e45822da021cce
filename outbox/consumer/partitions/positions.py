"""Positions in the context's database: who may write (the fence), and how far each lane has come.

Lock order: the `position` rows of a partition are locked in lane order, and a run locks its row last, right before
its commit. So a takeover waits for a run that is committing and for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.in_log import of_another, outside
from outbox.consumer.partitions.run import Assigned, LanePosition, Run, Sweep
from outbox.errors import ConfigurationError, Fenced, PositionLost
from outbox.event import SourcePosition
from outbox.kafka.port import TopicPartition

# Nothing is added beside rows of another lane count: they are refused below, whole.
_CREATE_MISSING = """
INSERT INTO position (group_name, topic, partition, lane, lanes, incarnation, next_offset, fence)
SELECT %(group)s, %(topic)s, %(partition)s, lane, %(lanes)s, %(incarnation)s, %(start)s, 0
FROM generate_series(0, %(lanes)s - 1) AS lane
WHERE NOT EXISTS (SELECT FROM position WHERE group_name = %(group)s AND topic = %(topic)s
                  AND partition = %(partition)s AND lanes <> %(lanes)s)
ON CONFLICT DO NOTHING"""

# All partitions at once, and only where the group has none of the topic: one that comes later is read from its start.
# In one order, so that two members who begin together do not wait for each other.
_BEGIN = """
INSERT INTO position (group_name, topic, partition, lane, lanes, incarnation, next_offset, fence)
SELECT %(group)s, %(topic)s, new.partition, lane, %(lanes)s, %(incarnation)s, new.start, 0
FROM unnest(%(partitions)s::integer[], %(starts)s::bigint[]) AS new (partition, start),
     generate_series(0, %(lanes)s - 1) AS lane
WHERE NOT EXISTS (SELECT FROM position WHERE group_name = %(group)s AND topic = %(topic)s)
ORDER BY new.partition, lane
ON CONFLICT DO NOTHING"""

# Waits for transactions of the previous owner that have advanced and are committing: their rows are read as committed.
_LOCK = """
SELECT lane, lanes, incarnation, next_offset, source, lsn, ordinal, fence, ask_below FROM position
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
ORDER BY lane FOR UPDATE"""

_RAISE_FENCE = """
UPDATE position SET fence = %(fence)s
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s"""

_OPEN_KEYS = """
SELECT DISTINCT key FROM quarantine
WHERE group_name = %(group)s AND topic = %(topic)s AND resolved_at IS NULL AND key IS NOT NULL"""

# `next_offset <= first` makes a repeat after a lost answer to COMMIT visible: it matches no row.
_ADVANCE = """
UPDATE position SET next_offset = %(next_offset)s, source = %(source)s, lsn = %(lsn)s, ordinal = %(ordinal)s,
       updated_at = now()
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND lane = %(lane)s
  AND fence = %(fence)s AND next_offset <= %(first)s"""

_READ_LANE = """
SELECT lane, next_offset, source, lsn, ordinal, fence FROM position
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND lane = %(lane)s"""

# Locked in lane order; never back: a lane may have been advanced further meanwhile.
_SWEEP = """
WITH held AS MATERIALIZED (
    SELECT lane FROM position
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
      AND lane = ANY(%(lanes)s) AND fence = %(fence)s
    ORDER BY lane FOR UPDATE
), moved AS (
    UPDATE position SET next_offset = %(target)s, updated_at = now()
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s
      AND lane IN (SELECT lane FROM held) AND next_offset < %(target)s
)
SELECT count(*) FROM held"""


class Overtaken(Exception):
    """The row is already beyond the run's first record, under our own fence: an earlier commit came through."""

    def __init__(self, stored: LanePosition) -> None:
        super().__init__(f"lane {stored.lane} stands at {stored.next_offset}")
        self.stored = stored


def assign(
    connection: PsycopgConnection, group: str, partition: TopicPartition, *, incarnation: str, lanes: int, start: int
) -> Assigned:
    """Raise the fence over all lanes and read where they stand; missing lanes begin at `start`.

    From the caller's commit on no earlier owner can advance or commit an effect. Raises `ConfigurationError` for
    another stored lane count and `PositionLost` for another incarnation.
    """
    names = {"group": group, "topic": partition.topic, "partition": partition.partition}
    connection.execute(_CREATE_MISSING, {**names, "lanes": lanes, "incarnation": incarnation, "start": start})
    rows = connection.execute(_LOCK, names).fetchall()
    _check_lanes(group, partition, lanes, {row[1] for row in rows})
    _check_incarnation(group, partition, incarnation, {row[2] for row in rows})
    fence = max(row[7] for row in rows) + 1
    connection.execute(_RAISE_FENCE, {**names, "fence": fence})
    keys = frozenset(bytes(row[0]) for row in connection.execute(_OPEN_KEYS, names))
    stored = tuple(replace(_lane_position(row[0], row[3], *row[4:7]), ask_below=row[8]) for row in rows)
    return Assigned(partition, incarnation, fence, stored, keys)


def begin(
    connection: PsycopgConnection, group: str, starts: Mapping[TopicPartition, int], *, incarnation: str, lanes: int
) -> None:
    """Store where a new group begins in the partitions of a topic; nothing where it has a position in any of them."""
    ((topic, _), *_) = starts
    given = {"partitions": [one.partition for one in starts], "starts": list(starts.values())}
    connection.execute(_BEGIN, {**given, "group": group, "topic": topic, "incarnation": incarnation, "lanes": lanes})


def check_range(assigned: Assigned, start: int, end: int) -> None:
    """Every lane must stand within the log, read after `assign`; `PositionLost` otherwise."""
    if (why := outside([lane.next_offset for lane in assigned.lanes], start, end)) is not None:
        raise PositionLost(
            f"{_name(assigned.partition)}: {why}: events may be missing; find out why, reconcile, then say where to "
            f"go on: outbox positions set SCHEMA:{_place(assigned.partition)} --to-start, --to-end or --to-offset"
        )


def advance(connection: PsycopgConnection, group: str, run: Run, last: SourcePosition | None) -> None:
    """Move the run's lane to its end, if the fence still stands. `Fenced` or `Overtaken`: roll back."""
    partition = run.assigned.partition
    names = {"group": group, "topic": partition.topic, "partition": partition.partition, "lane": run.lane}
    source, lsn, ordinal = (last.source, last.lsn, last.ordinal) if last else (None, None, None)
    moved = connection.execute(
        _ADVANCE,
        {
            **names,
            "next_offset": run.next_offset,
            "source": source,
            "lsn": lsn,
            "ordinal": ordinal,
            "fence": run.assigned.fence,
            "first": run.records[0].offset,
        },
    )
    if moved.rowcount == 1:
        return
    row = connection.execute(_READ_LANE, names).fetchone()
    if row is None or row[5] != run.assigned.fence:
        raise _fenced(run.assigned, row[5] if row else None)
    raise Overtaken(_lane_position(*row[:5]))


def sweep(connection: PsycopgConnection, group: str, idle: Sweep) -> None:
    """Move idle lanes up to the frontier. `Fenced` if another assignment took the partition."""
    partition = idle.assigned.partition
    names = {"group": group, "topic": partition.topic, "partition": partition.partition}
    found = connection.execute(
        _SWEEP, {**names, "lanes": list(idle.lanes), "fence": idle.assigned.fence, "target": idle.target}
    ).fetchone()
    if found is None or found[0] != len(idle.lanes):
        raise _fenced(idle.assigned, None)


def _check_lanes(group: str, partition: TopicPartition, lanes: int, stored: set[int]) -> None:
    if stored != {lanes}:
        raise ConfigurationError(
            f"{_name(partition)} of group {group} is stored with {sorted(stored)} lanes and {lanes} are configured: "
            f"keys would change lanes and lose their order; set lanes to the stored count"
        )


def _check_incarnation(group: str, partition: TopicPartition, incarnation: str, stored: set[str]) -> None:
    if (why := of_another(stored, incarnation)) is not None:
        raise PositionLost(
            f"{_name(partition)} of group {group}: {why}; reconcile, then say where to go on: "
            f"outbox positions set SCHEMA:{_place(partition)} --to-start, --to-end or --to-offset"
        )


def _lane_position(
    lane: int, next_offset: int, source: str | None, lsn: int | None, ordinal: int | None
) -> LanePosition:
    if source is None or lsn is None or ordinal is None:
        return LanePosition(lane, next_offset, None)
    return LanePosition(lane, next_offset, SourcePosition(source, lsn, ordinal))


def _fenced(assigned: Assigned, seen: int | None) -> Fenced:
    return Fenced(
        f"{_name(assigned.partition)} was assigned anew (our fence {assigned.fence}, stored {seen}): "
        "rolled back; the new owner goes on from the stored position"
    )


def _place(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}-{partition.partition}"
