"""Quarantine rows: pointers to events that cannot be handled, and the keys that wait behind them."""

from __future__ import annotations

from collections.abc import Sequence, Set

from psycopg import sql

from outbox.connection import PsycopgConnection
from outbox.consumer.error_text import place_of
from outbox.consumer.partitions.run import Assigned
from outbox.consumer.retry.rule import Trouble, classify
from outbox.consumer.triage import BEHIND, ParkedRecord
from outbox.event import ReceivedEvent

LARGEST_VERSION = 2**63 - 1  # of a bigint
REASON_CHARACTERS = 500  # a reason is for people; it must not carry a payload

# A record parked before (positions set back by hand) keeps its first reason.
_PARK = """
INSERT INTO quarantine (group_name, topic, incarnation, partition, "offset", key, reason,
                        aggregate_id, aggregate_version)
VALUES (%(group)s, %(topic)s, %(incarnation)s, %(partition)s, %(offset)s, %(key)s, %(reason)s,
        %(aggregate_id)s, %(aggregate_version)s)
ON CONFLICT DO NOTHING"""

# For a key that waits for a version it may be the missing one.
PARKED_BEHIND = "behind"
# Its later events may lie in another partition, which another member has.
FREED = "freed"
_TELL = "SELECT pg_notify('quarantine_' || current_schema(), %s)"

# `BETWEEN` and the order make the planner take the index with the key, which holds its digest. By `=` all indexes look
# alike while there are no statistics, as in a first flood, and each parked event would read all the others.
_STILL_OPEN = """
SELECT key FROM (SELECT key, sha256(key) AS digest FROM unnest(%(keys)s::bytea[]) AS given(key)) AS given
WHERE (SELECT true FROM quarantine AS open WHERE open.group_name = %(group)s AND open.topic = %(topic)s
       AND sha256(open.key) BETWEEN digest AND digest AND open.key = given.key AND open.resolved_at IS NULL
       ORDER BY sha256(open.key) LIMIT 1)"""


def park(connection: PsycopgConnection, group: str, assigned: Assigned, parked: Sequence[ParkedRecord]) -> None:
    """Store where the parked records are and why."""
    rows = [
        {
            "group": group,
            "topic": assigned.partition.topic,
            "incarnation": assigned.incarnation,
            "partition": assigned.partition.partition,
            "offset": one.record.offset,
            "key": one.record.key,
            "reason": told(one.reason),
            **_name_of(one.event),
        }
        for one in parked
    ]
    if len(rows) == 1:  # mostly, and this costs half of a batch of one
        connection.execute(_PARK, rows[0])
    elif rows:
        with connection.cursor() as cursor:
            cursor.executemany(_PARK, rows)
    if any(one.reason == BEHIND for one in parked):
        connection.execute(_TELL, [PARKED_BEHIND])


def _name_of(event: ReceivedEvent | None) -> dict[str, object]:
    """Which version of which aggregate it is, where a column can say it."""
    if event is None or event.event.aggregate_version > LARGEST_VERSION:
        return {"aggregate_id": None, "aggregate_version": None}
    return {"aggregate_id": event.event.aggregate_id.encode(), "aggregate_version": event.event.aggregate_version}


def tell_freed(connection: PsycopgConnection) -> None:
    """Keys have been let go: whoever has more of them looks again, once the caller has committed."""
    connection.execute(_TELL, [FREED])


def still_open(connection: PsycopgConnection, group: str, topic: str, keys: Set[bytes]) -> frozenset[bytes]:
    """Of `keys`, those that still have an unresolved row. Asks nothing when there are none."""
    if not keys:
        return frozenset()
    rows = connection.execute(_STILL_OPEN, {"group": group, "topic": topic, "keys": list(keys)})
    return frozenset(bytes(row[0]) for row in rows)


def told(reason: str) -> str:
    """A reason as quarantine stores it, whatever a handler gave: not longer than a page, and text to a database.

    >>> told("\\0 is no customer"), told("")
    ('\\\\x00 is no customer', 'poison, without a reason')
    """
    text = str(reason)[:REASON_CHARACTERS].encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
    return text[:REASON_CHARACTERS] or "poison, without a reason"


def listen(connection: PsycopgConnection) -> None:
    """From now the connection is notified of what is parked, with `PARKED_BEHIND`, and of a person's commands."""
    with connection.transaction():
        row = connection.execute("SELECT 'quarantine_' || current_schema()").fetchone()
        channel = row[0] if row else "quarantine_public"
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))


def reason_of(error: Exception) -> str:
    """For people, without anything of the event.

    >>> reason_of(UnicodeError("secret"))
    'permanent: UnicodeError'
    """
    state = getattr(error, "sqlstate", None)
    said = type(error).__name__ + (f" ({state})" if state else "")
    if classify(error) is not Trouble.BUG:
        return f"{Trouble.PERMANENT}: {said}"
    place = place_of(error)
    return f"{Trouble.BUG}: {said}" + (f" at {place}" if place else "")
