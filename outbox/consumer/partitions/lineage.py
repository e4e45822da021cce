"""Where a group's lanes stand in their source, for people; and a person's word that what the topic holds goes on.

The caller's connection looks into the context's schema; what changes is the caller's to commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from outbox.connection import PsycopgConnection
from outbox.kafka.port import TopicPartition
from outbox.told import Told

_STANDS = """
SELECT group_name, topic, partition, lane, next_offset, source, lsn, ordinal, incarnation FROM position
ORDER BY group_name, topic, partition, lane"""

# Locked in lane order, as takeovers do.
_BEFORE = """
SELECT group_name, topic, partition, lane, next_offset, source, lsn, ordinal, incarnation FROM position
WHERE topic = %(topic)s AND partition = %(partition)s AND source IS NOT NULL
ORDER BY group_name, lane FOR UPDATE"""

# A relay has at most 20,000 records under way, and may die twice in a row: repeats come no later than that.
ASKED_RECORDS = 50_000

# A lane without a source takes its next event's, as it did with its first one. Members find out by the fence.
_ACCEPT = """
UPDATE position SET source = NULL, lsn = NULL, ordinal = NULL, fence = fence + 1, ask_below = next_offset + %(asked)s
WHERE topic = %(topic)s AND partition = %(partition)s"""

_AUDIT = """
INSERT INTO quarantine_audit (actor, verb, reason, group_name, topic, partition, "offset")
SELECT %(actor)s, 'accept', %(reason)s, group_name, topic, partition, min(next_offset) FROM position
WHERE topic = %(topic)s AND partition = %(partition)s GROUP BY group_name, topic, partition"""


@dataclass(frozen=True, slots=True)
class Stand:
    """A lane: all below `next_offset` is done, the last event with a position came from `source` at `lsn`."""

    group_name: str
    topic: str
    partition: int
    lane: int
    next_offset: int
    source: str | None
    lsn: int | None
    ordinal: int | None
    incarnation: str

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}"

    @property
    def at(self) -> str:
        """Source and LSN as logs name them."""
        return "no source yet" if self.source is None else f"{self.source}:{self.lsn or 0:X}:{self.ordinal or 0}"


def stands(connection: PsycopgConnection) -> Sequence[Stand]:
    """Every lane of every group of the context."""
    with connection.cursor(row_factory=class_row(Stand)) as cursor:
        return cursor.execute(_STANDS).fetchall()


def accept(connection: PsycopgConnection, partition: TopicPartition, told: Told) -> Sequence[Stand]:
    """Let every lane of the partition go on with whatever comes; the lanes as they stood. Audited.

    What was sent before and is sent again then has positions of another count, so for `ASKED_RECORDS` of the partition
    the log is asked of each event whether it holds it already. Running consumers notice by themselves.
    """
    names = {"topic": partition.topic, "partition": partition.partition}
    with connection.cursor(row_factory=class_row(Stand)) as cursor:
        before = cursor.execute(_BEFORE, names).fetchall()
    if before:
        connection.execute(_ACCEPT, {**names, "asked": ASKED_RECORDS})
        connection.execute(_AUDIT, {**names, "actor": told.actor, "reason": told.reason})
    return before
