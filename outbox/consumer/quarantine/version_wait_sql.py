"""Parked events that wait for a version of their aggregate: let go when it is there, a person's when it is not in time.

A key waits as a whole: its first open event says for which version, the others stand behind it. The missing one parks
behind them when it comes, for it has their key; so the order of the log is not the order in which they may go.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.rows import class_row

from outbox.connection import PsycopgConnection
from outbox.consumer.middleware.versions import OVERDUE
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.quarantine.parked import AGAIN, WHOLE_KEYS, ParkedRow, names_of
from outbox.consumer.triage import BEHIND, WAITING

FIRST = " | parked first: "

# Whole keys, oldest first; one with another reason among its events is a person's, or the usual release's.
_WAITING = """
WITH open AS (
    SELECT "offset", key, kept_value, kept_headers, replacement, replacement_headers,
           min("offset") OVER same_key AS head_offset,
           bool_or(starts_with(reason, %(waiting)s) OR starts_with(reason, %(overdue)s)) OVER same_key AS waits,
           bool_or(NOT (starts_with(reason, %(waiting)s) OR starts_with(reason, %(overdue)s) OR reason = %(behind)s)
                   OR replay_requested_at IS NOT NULL) OVER same_key AS needs_operator
    FROM quarantine
    WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
      AND resolved_at IS NULL AND key IS NOT NULL
    WINDOW same_key AS (PARTITION BY key)
)
SELECT "offset", key, kept_value, kept_headers, replacement, replacement_headers, false AS requested FROM open
WHERE waits AND NOT needs_operator AND head_offset > %(after)s AND head_offset <= (
    SELECT max(head_offset) FROM (
        SELECT head_offset FROM open WHERE waits AND NOT needs_operator AND head_offset > %(after)s
        ORDER BY head_offset LIMIT %(limit)s
    ) AS page)
ORDER BY head_offset, "offset" LIMIT %(most)s"""

_WAIT_ON = """
UPDATE quarantine SET parked_at = now(), replay_requested_at = NULL, reason = %(reason)s || CASE
    WHEN reason = %(behind)s OR starts_with(reason, %(waiting)s) OR starts_with(reason, %(overdue)s) THEN ''
    ELSE %(first)s || split_part(reason, %(again)s, 1) END
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
  AND "offset" = %(offset)s AND resolved_at IS NULL"""

_GIVE_UP = """
UPDATE quarantine SET reason = %(overdue)s || substr(reason, length(%(waiting)s) + 1)
WHERE group_name = %(group)s AND topic = %(topic)s AND partition = %(partition)s AND incarnation = %(incarnation)s
  AND resolved_at IS NULL AND starts_with(reason, %(waiting)s)
  AND parked_at < now() - make_interval(secs => %(wait_s)s)"""


def waiting(
    connection: PsycopgConnection, group: str, assigned: Assigned, limit: int, *, after: int
) -> list[ParkedRow]:
    """All open events of keys that wait for a version and begin behind the offset `after`: `limit` and what there is
    more of the last key, up to `WHOLE_KEYS`.
    """
    given: dict[str, object] = {"waiting": WAITING, "overdue": OVERDUE, "behind": BEHIND}
    given |= {"after": after, "limit": limit, "most": max(limit, WHOLE_KEYS)}
    with connection.cursor(row_factory=class_row(ParkedRow)) as cursor:
        return cursor.execute(_WAITING, {**names_of(group, assigned), **given}).fetchall()


def wait_on(connection: PsycopgConnection, group: str, assigned: Assigned, offset: int, reason: str) -> None:
    """The key waits for another version, from now on; behind it stands why the event was parked first."""
    given = {"behind": BEHIND, "waiting": WAITING, "overdue": OVERDUE, "again": AGAIN, "first": FIRST}
    connection.execute(_WAIT_ON, {**names_of(group, assigned), **given, "offset": offset, "reason": reason})


def give_up(connection: PsycopgConnection, group: str, assigned: Assigned, wait_s: float) -> int:
    """Say of what has waited for longer that it did so in vain; how many. It is let go all the same, should it come."""
    given = {"waiting": WAITING, "overdue": OVERDUE, "wait_s": wait_s}
    return connection.execute(_GIVE_UP, {**names_of(group, assigned), **given}).rowcount


def by_key(rows: Sequence[ParkedRow]) -> list[list[ParkedRow]]:
    """The rows of each key, the keys in the order of their first rows."""
    keys: dict[bytes | None, list[ParkedRow]] = {}
    for row in rows:
        keys.setdefault(row.key, []).append(row)
    return list(keys.values())
