"""A person moves a group's position: all lanes of a partition to one offset, under a new fence.

What is under way there rolls back at its commit, as for a partition that another member has taken, and running members
go on from where the lanes stand then. The caller's connection looks into the group's schema, and commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.lineage import ASKED_RECORDS, Stand
from outbox.kafka.port import TopicPartition
from outbox.told import Told

# Locked in lane order, as takeovers do.
_LANES = """
SELECT group_name, topic, partition, lane, next_offset, source, lsn, ordinal, incarnation FROM position
WHERE topic = %(topic)s AND (%(partition)s::integer IS NULL OR partition = %(partition)s)
  AND (%(group)s::text IS NULL OR group_name = %(group)s)
ORDER BY group_name, topic, partition, lane FOR UPDATE"""

# Set back, a lane forgets how far it had come in its source: else what comes again would be held for a server that fell
# back. So the log is asked what was sent twice. Set forward it remembers, and drops that by itself.
_MOVE = """
UPDATE position SET next_offset = %(to)s, incarnation = %(incarnation)s, fence = fence + 1, updated_at = now(),
    source = CASE WHEN back THEN NULL ELSE source END, lsn = CASE WHEN back THEN NULL ELSE lsn END,
    ordinal = CASE WHEN back THEN NULL ELSE ordinal END,
    ask_below = CASE WHEN back THEN %(to)s + %(asked)s ELSE ask_below END
FROM (SELECT lane AS own, incarnation = %(incarnation)s AND %(to)s < next_offset AS back FROM position
      WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s) AS was
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND lane = own
RETURNING fence"""

_AUDIT = """
INSERT INTO quarantine_audit (actor, verb, reason, group_name, topic, partition, "offset")
VALUES (%(actor)s, %(verb)s, %(reason)s, %(group)s, %(topic)s, %(partition)s, %(offset)s)"""

_FENCES = "SELECT topic, partition, max(fence) FROM position WHERE group_name = %s GROUP BY topic, partition"


@dataclass(frozen=True, slots=True)
class Moved:
    """All lanes stand at `to` now, under `fence`; a member that takes the partition up raises it."""

    partition: TopicPartition
    before: Sequence[Stand]
    to: int
    fence: int


def lanes_of(
    connection: PsycopgConnection, topic: str, partition: int | None, group: str | None
) -> Mapping[tuple[str, TopicPartition], Sequence[Stand]]:
    """The lanes of these groups and partitions (None: of all there are), locked."""
    given = {"topic": topic, "partition": partition, "group": group}
    found: dict[tuple[str, TopicPartition], list[Stand]] = {}
    with connection.cursor(row_factory=class_row(Stand)) as cursor:
        for lane in cursor.execute(_LANES, given):
            found.setdefault((lane.group_name, TopicPartition(lane.topic, lane.partition)), []).append(lane)
    return found


def move(connection: PsycopgConnection, before: Sequence[Stand], to: int, incarnation: str, told: Told) -> Moved:
    """Set the lanes, all those of one partition, to `to` in the topic of this incarnation. Audited: from, and to."""
    first = before[0]
    names = {"group": first.group_name, "topic": first.topic, "partition": first.partition}
    row = connection.execute(_MOVE, {**names, "to": to, "incarnation": incarnation, "asked": ASKED_RECORDS}).fetchone()
    fence = int(row[0]) if row else 0
    who = {**names, "actor": told.actor, "reason": told.reason}
    for verb, offset in (("set from", min(lane.next_offset for lane in before)), ("set to", to)):
        connection.execute(_AUDIT, {**who, "verb": verb, "offset": offset})
    return Moved(TopicPartition(first.topic, first.partition), before, to, fence)


def fences(connection: PsycopgConnection, group: str) -> Mapping[TopicPartition, int]:
    """Of every partition that the group has a position in."""
    return {TopicPartition(topic, number): fence for topic, number, fence in connection.execute(_FENCES, [group])}
