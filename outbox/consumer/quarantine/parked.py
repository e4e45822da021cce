"""Parked events on their way out of quarantine: which may be replayed, the records behind the pointers, their end.

A key leaves in order. Its oldest open event is its head; the key may be replayed when that was asked for, or when its
head is one that only waited behind another: what it waited for has been resolved, so nothing holds it any more. Where
partitions were added, or the topic was made again, a key has events in several: those parked first go first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from outbox.connection import PsycopgConnection
from outbox.consumer.middleware.versions import OVERDUE
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.quarantine.kept_headers import decoded, encoded, readable
from outbox.consumer.quarantine.parking import told
from outbox.consumer.triage import BEHIND, WAITING
from outbox.errors import Fenced
from outbox.kafka.port import Record, TopicPartition

AGAIN = " | replayed: "  # between why it was parked and why its last replay ended
WHOLE_KEYS = 20_000  # rows whose records are in memory at once, where the order in a key is not that of the log

# Offset order is the order of every key. Records without a key have no successors: each is its own head.
_RELEASABLE = """
WITH open AS (
    SELECT "offset", key, reason, replay_requested_at, kept_value, kept_headers, replacement, replacement_headers,
           first_value("offset") OVER same_key AS head_offset,
           first_value(reason) OVER same_key AS head_reason,
           first_value(replay_requested_at) OVER same_key AS head_requested_at,
           first_value(parked_at) OVER same_key AS head_parked_at
    FROM quarantine
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
      AND resolved_at IS NULL
    WINDOW same_key AS (PARTITION BY key, CASE WHEN key IS NULL THEN "offset" END ORDER BY "offset")
), due AS (
    SELECT *, head_requested_at IS NOT NULL AS requested FROM open
    WHERE (head_requested_at IS NOT NULL OR head_reason = %(behind)s)
      AND (%(in_versions)s OR key IS NULL OR NOT EXISTS (
          SELECT FROM quarantine AS other
          WHERE other.group_name = %(group)s AND other.topic = %(topic)s AND other.resolved_at IS NULL
            AND sha256(other.key) = sha256(open.key) AND other.key = open.key
            AND (other.partition, other.incarnation) <> (%(partition)s, %(incarnation)s)
            AND (other.parked_at, other.partition) < (open.head_parked_at, %(partition)s)))
), page AS (
    SELECT "offset" FROM due ORDER BY "offset" LIMIT %(limit)s
)
SELECT "offset", key, kept_value, kept_headers, replacement, replacement_headers, requested FROM due
WHERE "offset" <= (SELECT max("offset") FROM page)
   OR %(in_versions)s AND requested AND head_offset <= (SELECT max("offset") FROM page)
ORDER BY "offset" LIMIT %(most)s"""

# Somebody may have discarded or replayed one meanwhile: only what is still open is done.
_LOCK = """
SELECT "offset" FROM quarantine
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
  AND "offset" = ANY(%(offsets)s) AND resolved_at IS NULL
ORDER BY "offset" FOR UPDATE"""

_RESOLVE = """
UPDATE quarantine AS parked SET resolved_at = now(), resolution = 'replayed'
FROM unnest(%(offsets)s::bigint[]) AS given("offset")
WHERE parked.group_name = %(group)s AND parked.topic = %(topic)s AND parked.partition = %(partition)s
  AND parked.incarnation = %(incarnation)s AND parked."offset" = given."offset" AND parked.resolved_at IS NULL
RETURNING parked."offset" """

# As in a run: the lane's position row is locked last. No row: another assignment has the partition.
_OWNED = """
SELECT FROM position
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND lane = %(lane)s
  AND fence = %(fence)s FOR UPDATE"""

# The whole key waits for a person again, in whichever partitions it is. Why it was parked first stays in front; what
# says how a key waits is none of that, and is read again by its beginning.
_HOLD = """
UPDATE quarantine SET replay_requested_at = NULL, reason = CASE
    WHEN partition <> %(partition)s OR incarnation <> %(incarnation)s OR "offset" <> %(offset)s THEN reason
    WHEN reason = %(behind)s OR starts_with(reason, %(waiting)s) OR starts_with(reason, %(overdue)s) THEN %(reason)s
    ELSE coalesce(nullif(split_part(reason, %(again)s, 1), %(reason)s) || %(again)s, '') || %(reason)s END
WHERE group_name = %(group)s AND topic = %(topic)s AND resolved_at IS NULL
  AND (sha256(key) = sha256(%(key)s) AND key = %(key)s
       OR partition = %(partition)s AND incarnation = %(incarnation)s AND "offset" = %(offset)s)"""

_AT_RISK = """
SELECT "offset" FROM quarantine
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
  AND resolved_at IS NULL AND kept_headers IS NULL
  AND ("offset" < %(below)s OR parked_at < now() - make_interval(secs => %(older_s)s))
ORDER BY "offset" LIMIT %(limit)s"""

_KEEP = """
UPDATE quarantine SET kept_value = %(value)s, kept_headers = %(headers)s
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
  AND "offset" = %(offset)s AND resolved_at IS NULL"""


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A pointer, and what was kept or given in place of what it points to."""

    offset: int
    key: bytes | None
    kept_value: bytes | None
    kept_headers: Any
    replacement: bytes | None
    replacement_headers: Any
    requested: bool = False  # a person has asked for the replay of its key

    @property
    def complete(self) -> bool:
        """Nothing has to be read from the log."""
        kept = self.kept_headers is not None
        return kept or (self.replacement is not None and self.replacement_headers is not None)

    def record(self, partition: TopicPartition, read: Record | None) -> Record:
        """The record to handle: as read or kept, with a person's replacement on top.

        `ValueError` if what is stored is not as `encoded` made it.
        """
        if read is not None and self.replacement is None and self.replacement_headers is None:
            return read
        if read is None:
            headers = [] if self.kept_headers is None else decoded(self.kept_headers)
            read = Record(partition.topic, partition.partition, self.offset, self.key, self.kept_value, headers, 0)
        headers = read.headers
        if self.replacement_headers is not None:
            given = dict(decoded(self.replacement_headers))
            headers = [*(one for one in readable(headers) if one[0] not in given), *given.items()]
        value = read.value if self.replacement is None else self.replacement
        return read._replace(value=value, headers=headers)


def releasable(
    connection: PsycopgConnection, group: str, assigned: Assigned, limit: int, *, in_versions: bool = False
) -> list[ParkedRow]:
    """The first open events, in offset order, of keys that may be replayed.

    `in_versions`: their versions say what goes first, not where they lie; with all there is, up to `WHOLE_KEYS`, of
    the keys that a person has asked for.
    """
    most = max(limit, WHOLE_KEYS) if in_versions else limit
    given = {"behind": BEHIND, "limit": limit, "in_versions": in_versions, "most": most}
    with connection.cursor(row_factory=class_row(ParkedRow)) as cursor:
        return cursor.execute(_RELEASABLE, {**names_of(group, assigned), **given}).fetchall()


def lock(connection: PsycopgConnection, group: str, assigned: Assigned, offsets: Sequence[int]) -> frozenset[int]:
    """Of `offsets`, those still open, locked."""
    rows = connection.execute(_LOCK, {**names_of(group, assigned), "offsets": list(offsets)})
    return frozenset(row[0] for row in rows)


def resolve(connection: PsycopgConnection, group: str, assigned: Assigned, offsets: Sequence[int]) -> frozenset[int]:
    """End as replayed those that are still open, and tell which; nobody else ends them before the caller's commit."""
    rows = connection.execute(_RESOLVE, {**names_of(group, assigned), "offsets": list(offsets)})
    return frozenset(row[0] for row in rows)


def check_fence(connection: PsycopgConnection, group: str, assigned: Assigned, lane: int) -> None:
    """Before the commit: `Fenced` if the partition is not ours any more; roll back."""
    names = {**names_of(group, assigned), "lane": lane, "fence": assigned.fence}
    if connection.execute(_OWNED, names).fetchone() is None:
        place = f"{assigned.partition.topic}-{assigned.partition.partition}"
        raise Fenced(f"{place} was assigned anew: the replay goes on where the partition is now")


def hold(connection: PsycopgConnection, group: str, assigned: Assigned, row: ParkedRow, reason: str) -> None:
    """The event cannot be replayed: its key waits again, the new reason beside the first one at this event."""
    given = {"offset": row.offset, "key": row.key, "reason": told(reason), "again": AGAIN}
    given |= {"behind": BEHIND, "waiting": WAITING, "overdue": OVERDUE}
    connection.execute(_HOLD, {**names_of(group, assigned), **given})


def at_risk(
    connection: PsycopgConnection, group: str, assigned: Assigned, *, below: int, older_s: float, limit: int
) -> list[int]:
    """Offsets of open events that the log may soon not hold any more, and of which nothing is kept."""
    given = {"below": below, "older_s": older_s, "limit": limit}
    return [row[0] for row in connection.execute(_AT_RISK, {**names_of(group, assigned), **given})]


def keep(connection: PsycopgConnection, group: str, assigned: Assigned, records: Mapping[int, Record]) -> None:
    """Store the records themselves beside their pointers."""
    names = names_of(group, assigned)
    with connection.cursor() as cursor:
        cursor.executemany(
            _KEEP,
            [
                {**names, "offset": offset, "value": record.value, "headers": Jsonb(encoded(record.headers))}
                for offset, record in records.items()
            ],
        )


def names_of(group: str, assigned: Assigned) -> dict[str, object]:
    """The columns that say where a row belongs."""
    partition = assigned.partition
    return {
        "group": group,
        "topic": partition.topic,
        "partition": partition.partition,
        "incarnation": assigned.incarnation,
    }
