"""The outbox table's daily partitions: made days ahead. There is no default partition, so being late fails orders.

Dropping old days belongs here too; it is not offered before the confirmed position can be asked for each day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from outbox.speaking import execute

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection

DAYS_AHEAD = 7
Now = Callable[[], datetime]

EXISTING = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'outbox.outbox'::regclass"""
# Takes no lock that writers wait for, and waits itself 2 s at most.
MAKE = "SELECT outbox.make_partition('{day:%Y-%m-%d}')"


def _now() -> datetime:
    return datetime.now(UTC)


def ensure(connection: AnyConnection, *, days_ahead: int = DAYS_AHEAD, now: Now = _now) -> list[str]:
    """Make the partitions from yesterday to `days_ahead` days after today (UTC); the names of the new ones.

    Yesterday too: an id made just before midnight may be written after it. Never commits. Waits at most 2 s for a
    lock (SQLSTATE 55P03).
    """
    missing = _missing(_existing(connection), days_ahead, now)
    for day in missing:
        execute(connection, _make(day), (), joins=False)
    return [partition_name(day) for day in missing]


def statements(*, existing: Collection[str], days_ahead: int = DAYS_AHEAD, now: Now = _now) -> list[str]:
    """What `ensure` would execute where the partitions of these names exist."""
    return [_make(day) for day in _missing(existing, days_ahead, now)]


def days_ahead(connection: AnyConnection, *, now: Now = _now) -> int:
    """How many days after today can be written without a gap; -1: not even today. Alarm below 2."""
    existing = _existing(connection)
    day = now().astimezone(UTC).date()
    ahead = -1
    while partition_name(day) in existing:
        ahead += 1
        day += timedelta(days=1)
    return ahead


def partition_name(day: date) -> str:
    return f"outbox_{day:%Y%m%d}"


def _missing(existing: Collection[str], days_ahead: int, now: Now) -> list[date]:
    today = now().astimezone(UTC).date()
    wanted = [today + timedelta(days=offset) for offset in range(-1, days_ahead + 1)]
    return [day for day in wanted if partition_name(day) not in existing]


def _make(day: date) -> str:
    return MAKE.format(day=day)


def _existing(connection: AnyConnection) -> set[str]:
    return {name for (name,) in execute(connection, EXISTING, (), joins=False)}
