"""The desk where a person works on quarantine: look, give a replacement, ask for a replay, discard; all of it audited.

Nothing is replayed here: the running consumer does it, for it owns the partition. The caller's connection looks into
the context's schema; what changes is the caller's to commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from outbox.connection import PsycopgConnection
from outbox.consumer.quarantine.kept_headers import Headers, encoded
from outbox.consumer.quarantine.parked import ParkedRow
from outbox.consumer.quarantine.parked_events import parcel_of
from outbox.consumer.triage import BEHIND
from outbox.errors import ConfigurationError, OutboxError
from outbox.kafka.codec import from_record
from outbox.kafka.port import Record, TopicPartition
from outbox.told import Told

_LIST = """
SELECT group_name, topic, partition, "offset", incarnation, key, reason, parked_at, resolved_at, resolution,
       replay_requested_at, kept_headers IS NOT NULL AS kept, replacement IS NOT NULL AS fixed
FROM quarantine
WHERE (%(everything)s OR resolved_at IS NULL) AND (%(heads)s IS FALSE OR reason <> %(behind)s)
ORDER BY topic, partition, "offset" LIMIT %(limit)s"""

_FIND = """
SELECT group_name, topic, partition, "offset", incarnation, key, reason, parked_at, resolved_at, resolution,
       replay_requested_at, kept_headers IS NOT NULL AS kept, replacement IS NOT NULL AS fixed
FROM quarantine WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
  AND (%(group)s::text IS NULL OR group_name = %(group)s)
ORDER BY resolved_at IS NOT NULL, parked_at DESC"""

_SUCCESSORS = """
SELECT "offset" FROM quarantine
WHERE group_name = %(group_name)s AND topic = %(topic)s AND partition = %(partition)s
  AND incarnation = %(incarnation)s AND key = %(key)s AND "offset" > %(offset)s AND resolved_at IS NULL
ORDER BY "offset" """

_STORED = """
SELECT kept_value, kept_headers, replacement, replacement_headers FROM quarantine
WHERE group_name = %(group_name)s AND topic = %(topic)s AND partition = %(partition)s
  AND incarnation = %(incarnation)s AND "offset" = %(offset)s"""

_FIX = """
UPDATE quarantine SET replacement = coalesce(%(value)s, replacement),
       replacement_headers = coalesce(%(headers)s, replacement_headers)
WHERE group_name = %(group_name)s AND topic = %(topic)s AND partition = %(partition)s
  AND incarnation = %(incarnation)s AND "offset" = %(offset)s AND resolved_at IS NULL"""

# The key goes as a whole, so that whichever of its events is the oldest, in whichever partition, is found asked for.
_REQUEST = """
UPDATE quarantine SET replay_requested_at = now()
WHERE group_name = %(group_name)s AND topic = %(topic)s AND resolved_at IS NULL
  AND (sha256(key) = sha256(%(key)s) AND key = %(key)s
       OR partition = %(partition)s AND incarnation = %(incarnation)s AND "offset" = %(offset)s)"""

_DISCARD = """
UPDATE quarantine SET resolved_at = now(), resolution = 'discarded'
WHERE group_name = %(group_name)s AND topic = %(topic)s AND partition = %(partition)s
  AND incarnation = %(incarnation)s AND "offset" = %(offset)s AND resolved_at IS NULL"""

_AUDIT = """
INSERT INTO quarantine_audit (actor, verb, reason, group_name, topic, partition, "offset")
VALUES (%(actor)s, %(verb)s, %(why)s, %(group_name)s, %(topic)s, %(partition)s, %(offset)s)"""

_TELL = "SELECT pg_notify('quarantine_' || current_schema(), '')"

_OPEN = """
SELECT count(*), count(replay_requested_at), (array_agg(reason ORDER BY parked_at, partition, "offset"))[1]
FROM quarantine
WHERE group_name = %(group_name)s AND topic = %(topic)s AND resolved_at IS NULL
  AND (sha256(key) = sha256(%(key)s) AND key = %(key)s
       OR partition = %(partition)s AND incarnation = %(incarnation)s AND "offset" = %(offset)s)"""


class NoEvent(OutboxError):
    """What was given makes no event of a parked record."""


class NotThere(OutboxError):
    """No such parked event, or it has been resolved."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A parked event as a person sees it. `kept`: its record is stored here; `fixed`: a replacement is."""

    group_name: str
    topic: str
    partition: int
    offset: int
    incarnation: str
    key: bytes | None
    reason: str
    parked_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    replay_requested_at: datetime | None
    kept: bool
    fixed: bool

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def state(self) -> str:
        if self.resolution is not None or self.resolved_at is not None:
            return self.resolution or "resolved"
        return "open" if self.replay_requested_at is None else "replaying"

    def names(self) -> dict[str, Any]:
        return {
            "group_name": self.group_name,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "incarnation": self.incarnation,
            "key": self.key,
        }


@dataclass(frozen=True, slots=True)
class KeyProgress:
    """Of an event's key: open events, those of them asked for, and why the oldest one is parked."""

    open: int
    requested: int
    reason: str | None


def entries(
    connection: PsycopgConnection, *, everything: bool = False, heads: bool = False, limit: int = 100
) -> list[Entry]:
    """Parked events in the order of the log; `everything`: the resolved ones too; `heads`: not those that only wait."""
    given = {"everything": everything, "heads": heads, "behind": BEHIND, "limit": limit}
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        return cursor.execute(_LIST, given).fetchall()


def find(connection: PsycopgConnection, partition: TopicPartition, offset: int, group: str | None = None) -> Entry:
    """The parked event of that place, an open one first. `NotThere`; `ConfigurationError` for several groups'."""
    given = {"topic": partition.topic, "partition": partition.partition, "offset": offset, "group": group}
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        found = cursor.execute(_FIND, given).fetchall()
    if not found:
        raise NotThere(f"nothing is parked at {partition.topic}/{partition.partition}@{offset}")
    groups = sorted({one.group_name for one in found})
    if len(groups) > 1:
        raise ConfigurationError(f"{found[0].place} is parked by the groups {', '.join(groups)}; name one with --group")
    return found[0]


def successors(connection: PsycopgConnection, entry: Entry) -> list[int]:
    """Offsets of the open events of its key that come after it."""
    return [row[0] for row in connection.execute(_SUCCESSORS, entry.names())]


def stored(connection: PsycopgConnection, entry: Entry) -> Mapping[str, Any]:
    """What the row holds of the record itself: `kept_*` and `replacement*`, None where nothing is."""
    row = connection.execute(_STORED, entry.names()).fetchone()
    names = ("kept_value", "kept_headers", "replacement", "replacement_headers")
    return dict(zip(names, row or (None,) * 4, strict=True))


def check_fix(
    connection: PsycopgConnection, entry: Entry, read: Record | None, *, value: bytes | None, headers: Headers | None
) -> None:
    """Whether an event comes of it: `NoEvent` says what else is missing. `read`: what the log holds there."""
    row = stored(connection, entry)
    given = ParkedRow(
        entry.offset,
        entry.key,
        row["kept_value"],
        row["kept_headers"],
        row["replacement"] if value is None else value,
        row["replacement_headers"] if headers is None else encoded(headers),
    )
    parcel = parcel_of(given, read, TopicPartition(entry.topic, entry.partition), from_record)
    if parcel.event is None:
        raise NoEvent(f"{entry.place} would be parked again: {parcel.reason}")


def fix(
    connection: PsycopgConnection, entry: Entry, told: Told, *, value: bytes | None, headers: Headers | None
) -> None:
    """Give what the replay is to use in place of the record's value, and of headers of these names."""
    stored_headers = None if headers is None else Jsonb(encoded(headers))
    _change(connection, _FIX, entry, told, verb="fix", value=value, headers=stored_headers)


def request_replay(connection: PsycopgConnection, entry: Entry, told: Told) -> int:
    """Ask the running consumer to replay the event's key, in order; how many events wait in it."""
    return _change(connection, _REQUEST, entry, told, verb="replay")


def discard(connection: PsycopgConnection, entry: Entry, told: Told) -> None:
    """End it without an effect; what waits behind nothing else is released at once."""
    _change(connection, _DISCARD, entry, told, verb="discard")


def progress(connection: PsycopgConnection, entry: Entry) -> KeyProgress:
    row = connection.execute(_OPEN, entry.names()).fetchone()
    return KeyProgress(*row) if row else KeyProgress(0, 0, None)


def _change(
    connection: PsycopgConnection, statement: str, entry: Entry, told: Told, *, verb: str, **given: object
) -> int:
    changed = connection.execute(statement, {**entry.names(), **given}).rowcount
    if not changed:
        raise NotThere(f"{entry.place} is not parked any more: it was {entry.state} meanwhile")
    connection.execute(_AUDIT, {**entry.names(), "actor": told.actor, "verb": verb, "why": told.reason})
    connection.execute(_TELL)
    return changed
