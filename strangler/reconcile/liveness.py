"""Which processes of the monolith still live, and what each has changed: whether legacy may still act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from outbox.connection import PsycopgConnection
from strangler.reconcile.subject_evidence import RecordedChange

CLASS = 0x5354  # of the advisory locks that the processes hold; their numbers begin at 1

# A number is drawn before its lock is taken: what is drawn later than this may live, locked or not.
DRAWN: LiteralString = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM strangler.process_number"
LOCKED: LiteralString = """
SELECT objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND classid = %(class)s AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

CHANGES: LiteralString = """
SELECT subject_ref, version, type, process, epoch > 0 FROM strangler.subject_change
WHERE %(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s) ORDER BY subject_ref, version"""


@dataclass(frozen=True, slots=True)
class Living:
    """The processes at one moment. Read before the snapshot: who was gone then has committed all that it ever will."""

    drawn: int
    locked: frozenset[int]

    def has(self, process: int | None) -> bool | None:
        """Whether it lives; None where nobody knows which process it is."""
        return process in self.locked or process > self.drawn if process else None


def read_living(connection: PsycopgConnection) -> Living:
    """Who lives now. `connection` is in autocommit: each statement sees its own moment, the numbers first."""
    (drawn,) = connection.execute(DRAWN).fetchone() or (0,)
    locked = frozenset(process for (process,) in connection.execute(LOCKED, {"class": CLASS}))
    return Living(drawn, locked)


def read_changes(
    connection: PsycopgConnection, living: Living, refs: list[str] | None = None
) -> dict[str, list[RecordedChange]]:
    """What has happened to subjects, and whether who did it may still act; by subject."""
    found: dict[str, list[RecordedChange]] = {}
    for subject_ref, version, type_, process, pinned in connection.execute(CHANGES, {"refs": refs}):
        found.setdefault(subject_ref, []).append(RecordedChange(version, type_, living.has(process), pinned))
    return found
