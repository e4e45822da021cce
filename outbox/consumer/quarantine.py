"""Quarantine rows: pointers to events that cannot be handled, and the keys that wait behind them."""

from __future__ import annotations

from collections.abc import Sequence, Set

from outbox.connection import PsycopgConnection
from outbox.consumer.lanes import Assigned
from outbox.consumer.triage import BEHIND, Parked

REASON_CHARACTERS = 500  # a reason is for people; it must not carry a payload

# A record parked before (positions set back by hand) keeps its first reason.
_PARK = """
INSERT INTO quarantine (group_name, topic, incarnation, partition, "offset", key, reason)
VALUES (%(group)s, %(topic)s, %(incarnation)s, %(partition)s, %(offset)s, %(key)s, %(reason)s)
ON CONFLICT DO NOTHING"""

# Whoever releases keys hears of it at the commit: all that such an event waited for may have been resolved meanwhile.
_TELL = "SELECT pg_notify('quarantine_' || current_schema(), '')"

_STILL_OPEN = """
SELECT DISTINCT key FROM quarantine
WHERE group_name = %(group)s AND topic = %(topic)s AND resolved_at IS NULL AND key = ANY(%(keys)s)"""


def park(connection: PsycopgConnection, group: str, assigned: Assigned, parked: Sequence[Parked]) -> None:
    """Store where the parked records are and why."""
    rows = [
        {
            "group": group,
            "topic": assigned.partition.topic,
            "incarnation": assigned.incarnation,
            "partition": assigned.partition.partition,
            "offset": one.record.offset,
            "key": one.record.key,
            "reason": one.reason[:REASON_CHARACTERS],
        }
        for one in parked
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_PARK, rows)
            if any(one.reason == BEHIND for one in parked):
                cursor.execute(_TELL)


def still_open(connection: PsycopgConnection, group: str, topic: str, keys: Set[bytes]) -> frozenset[bytes]:
    """Of `keys`, those that still have an unresolved row. Asks nothing when there are none."""
    if not keys:
        return frozenset()
    rows = connection.execute(_STILL_OPEN, {"group": group, "topic": topic, "keys": list(keys)})
    return frozenset(bytes(row[0]) for row in rows)
