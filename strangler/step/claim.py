"""Claims: whoever has the row has acted. Written in the transaction of the effects that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

from outbox.connection import PsycopgConnection
from strangler.step.intents import first_number

FIRST = first_number(1)  # the subject's first claim; a tombstone takes its place

# Of a step that acts on later versions alone no claim meets the tombstone's key. So claims share a lock that a
# tombstone takes alone. In statements of their own: only a snapshot taken with the lock in hand sees what the other has
# committed. All claims, first ones too: who held one without it could later wait for a tombstone that waits for that.
SHARE: LiteralString = "SELECT pg_advisory_xact_lock_shared(hashtextextended('strangler.claim.' || %(step)s, 0))"
ALONE: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('strangler.claim.' || %(step)s, 0))"

# Keys are inserted in one order everywhere: two batches that share subjects wait for each other instead of
# deadlocking. An uncommitted claim of the same key is waited for; that wait is what decides a race.
CLAIM = """
INSERT INTO claim (subject_ref, step, number, kind, epoch, intents, digest)
SELECT wanted.subject_ref, %(step)s, wanted.number, 'applied', wanted.epoch, wanted.intents, wanted.digest
FROM unnest(%(subject_refs)s::text[], %(numbers)s::integer[], %(epochs)s::bigint[], %(intents)s::integer[],
            %(digests)s::text[])
     AS wanted (subject_ref, number, epoch, intents, digest)
WHERE NOT EXISTS (SELECT FROM claim AS handed_back
                  WHERE (handed_back.subject_ref, handed_back.step, handed_back.number)
                        = (wanted.subject_ref, %(step)s, %(first)s)
                    AND handed_back.kind = 'tombstone')
ORDER BY wanted.subject_ref, wanted.number
ON CONFLICT (subject_ref, step, number) DO NOTHING
RETURNING subject_ref, number"""

# What was shed nobody has done: whoever comes to it again takes it over. In one order of keys, as above.
TAKE_OVER = """
WITH free AS (
    SELECT subject_ref, number, wanted.epoch, wanted.intents, wanted.digest
    FROM claim
    JOIN unnest(%(subject_refs)s::text[], %(numbers)s::integer[], %(epochs)s::bigint[], %(intents)s::integer[],
                %(digests)s::text[])
         AS wanted (subject_ref, number, epoch, intents, digest) USING (subject_ref, number)
    WHERE step = %(step)s AND kind = 'shed'
    ORDER BY subject_ref, number FOR UPDATE OF claim)
UPDATE claim SET kind = 'applied', epoch = free.epoch, claimed_at = now(), intents = free.intents, digest = free.digest
FROM free
WHERE claim.step = %(step)s AND (claim.subject_ref, claim.number) = (free.subject_ref, free.number)
RETURNING claim.subject_ref, claim.number"""

# A statement of its own: only a new snapshot sees the row that CLAIM has waited for.
APPLIED = """
SELECT claim.subject_ref, claim.number
FROM claim
JOIN unnest(%(subject_refs)s::text[], %(numbers)s::integer[]) AS lost (subject_ref, number) USING (subject_ref, number)
WHERE claim.step = %(step)s AND claim.kind = 'applied'"""

TOMBSTONE = """
INSERT INTO claim (subject_ref, step, number, kind, epoch)
SELECT %(subject_ref)s, %(step)s, %(first)s, 'tombstone', %(epoch)s
WHERE NOT EXISTS (SELECT FROM claim
                  WHERE subject_ref = %(subject_ref)s AND step = %(step)s AND kind IN ('applied', 'shed'))
ON CONFLICT (subject_ref, step, number) DO NOTHING
RETURNING number"""

SHED = """
UPDATE claim SET kind = 'shed', clause = %(clause)s, intents = NULL, digest = NULL
FROM unnest(%(subject_refs)s::text[], %(numbers)s::integer[]) AS given_up (subject_ref, number)
WHERE claim.step = %(step)s AND (claim.subject_ref, claim.number) = (given_up.subject_ref, given_up.number)"""

IS_TOMBSTONE = """
SELECT FROM claim
WHERE subject_ref = %(subject_ref)s AND step = %(step)s AND number = %(first)s AND kind = 'tombstone'"""


class ClaimResult(StrEnum):
    """`won`: act now. `applied`: someone has acted. `handed_back`: this side must never act on the subject."""

    WON = "won"
    APPLIED = "applied"
    HANDED_BACK = "handed_back"


class TombstoneResult(StrEnum):
    """`placed`: the new side will never act. `already`: placed earlier. `started`: too late, it has acted."""

    PLACED = "placed"
    ALREADY = "already"
    STARTED = "started"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that is wanted: the first intent number of an event, at the epoch of the subject's pinning.

    `digest`: of the event's intents, as `strangler.step.digests` makes it; None: nothing is kept of them.
    """

    subject_ref: str
    number: int
    epoch: int
    digest: str | None = None

    @property
    def intents(self) -> int | None:
        """How many there are."""
        return None if self.digest is None else len(self.digest.split())


def claim(connection: PsycopgConnection, step: str, wanted: Sequence[Claim]) -> list[ClaimResult]:
    """Claim a batch of distinct keys in the caller's transaction; one result each, in the order given.

    Runs at READ COMMITTED; waits as long as the lock timeout.
    """
    connection.execute(SHARE, {"step": step})
    won = _insert(connection, step, wanted)
    lost = [one for one in wanted if (one.subject_ref, one.number) not in won]
    if lost:
        won |= _take_over(connection, step, lost)
        lost = [one for one in lost if (one.subject_ref, one.number) not in won]
    applied = _applied(connection, step, lost) if lost else set()
    results = dict.fromkeys(applied, ClaimResult.APPLIED) | dict.fromkeys(won, ClaimResult.WON)
    return [results.get((one.subject_ref, one.number), ClaimResult.HANDED_BACK) for one in wanted]


def shed(connection: PsycopgConnection, step: str, won: Sequence[Claim], clause: str) -> None:
    """Turn claims that were just won into a note that their work is given up, by that clause of the step's policy.

    Nobody has acted on them, and legacy does not get the subject back: a replay takes them over. The context's `claim`
    has the column `clause`.
    """
    if won:
        connection.execute(SHED, {**_keys(step, won), "clause": clause})


def tombstone(connection: PsycopgConnection, *, subject_ref: str, step: str, epoch: int) -> TombstoneResult:
    """Take the subject from the new side, unless it has started; lock and unique key decide the race with a handler.

    Waits for all handlers of the step that have claimed anything, as long as the connection's lock timeout.
    """
    connection.execute(ALONE, {"step": step})
    parameters = {"subject_ref": subject_ref, "step": step, "epoch": epoch, "first": FIRST}
    if connection.execute(TOMBSTONE, parameters).fetchone() is not None:
        return TombstoneResult.PLACED
    if connection.execute(IS_TOMBSTONE, parameters).fetchone() is not None:
        return TombstoneResult.ALREADY
    return TombstoneResult.STARTED


def _insert(connection: PsycopgConnection, step: str, wanted: Sequence[Claim]) -> set[tuple[str, int]]:
    return set(connection.execute(CLAIM, {**_keys(step, wanted), **_told(wanted), "first": FIRST}).fetchall())


def _take_over(connection: PsycopgConnection, step: str, lost: Sequence[Claim]) -> set[tuple[str, int]]:
    return set(connection.execute(TAKE_OVER, {**_keys(step, lost), **_told(lost)}).fetchall())


def _applied(connection: PsycopgConnection, step: str, lost: Sequence[Claim]) -> set[tuple[str, int]]:
    return set(connection.execute(APPLIED, _keys(step, lost)).fetchall())


def _keys(step: str, claims: Sequence[Claim]) -> dict[str, object]:
    refs, numbers = [one.subject_ref for one in claims], [one.number for one in claims]
    return {"step": step, "subject_refs": refs, "numbers": numbers}


def _told(claims: Sequence[Claim]) -> dict[str, object]:
    return {
        "epochs": [one.epoch for one in claims],
        "intents": [one.intents for one in claims],
        "digests": [one.digest for one in claims],
    }
