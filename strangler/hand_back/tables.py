"""What a hand-back reads and writes: owners and their audit in the main database, claims in the context's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import LiteralString

from outbox.connection import PsycopgConnection
from strangler.ownership import Owner, Ownership

PAGE = 1_000  # subjects; one page is in memory at a time

# `position`, not LIKE: a step's name may hold `_`. Parsed again afterwards. Pins of a later epoch follow later stages.
PINNED_TO_NEW: LiteralString = """
SELECT subject_ref, owners, part_of FROM strangler.ownership
WHERE subject_ref > %(after)s AND epoch <= %(epoch)s AND position(%(member)s IN owners) > 0
ORDER BY subject_ref LIMIT %(page)s"""

# Recorded, but legacy has not been seen to run: an earlier run was interrupted.
RECORDED: LiteralString = """
SELECT subject_ref, pinned_epoch FROM strangler.hand_back WHERE step = %(step)s AND state = 'tombstoned'"""

# In the context's schema. A claim is never taken back, so a started subject may be skipped without asking again. What
# was given up is started: a replay on this side makes up for it.
CLAIMED: LiteralString = """
SELECT subject_ref, bool_or(kind IN ('applied', 'shed')) FROM claim
WHERE step = %(step)s AND subject_ref = ANY (%(subject_refs)s) GROUP BY subject_ref"""

# The row lock keeps two hand-backs of different steps from overwriting each other's header.
LOCK_OWNERS: LiteralString = "SELECT owners FROM strangler.ownership WHERE subject_ref = %(subject_ref)s FOR UPDATE"
SET_OWNERS: LiteralString = "UPDATE strangler.ownership SET owners = %(owners)s WHERE subject_ref = %(subject_ref)s"
RECORD: LiteralString = """
INSERT INTO strangler.hand_back (subject_ref, step, pinned_epoch, state, actor, reason)
VALUES (%(subject_ref)s, %(step)s, %(epoch)s, 'tombstoned', %(actor)s, %(reason)s)
ON CONFLICT (subject_ref, step) DO NOTHING"""

# Conditional, so that of two runs at once only one counts the subject.
END: LiteralString = """
UPDATE strangler.hand_back SET state = %(state)s, done_at = now()
WHERE subject_ref = %(subject_ref)s AND step = %(step)s AND state = 'tombstoned'"""

# Subjects of which a request may still commit: its claim has no answer, and the facade that forwarded it works on it. A
# request of several subjects has one claim for all. Past its lease nobody waits for the request any more; should it
# commit after all, the owners that it was sent with hold.
UNDER_WAY: LiteralString = """
SELECT DISTINCT pin.subject_ref FROM strangler.ownership AS pin
JOIN strangler.idempotency AS request ON request.subject_ref IN (pin.subject_ref, pin.part_of)
WHERE pin.subject_ref = ANY (%(subject_refs)s) AND request.state = 'started' AND request.lease_until > now()"""

HAS_PARTS: LiteralString = "SELECT FROM strangler.ownership WHERE part_of = %(subject_ref)s LIMIT 1"
PARTS: LiteralString = """
SELECT subject_ref, owners, part_of FROM strangler.ownership WHERE part_of = ANY (%(subject_refs)s)"""


@dataclass(frozen=True, slots=True)
class Order:
    """One that may be handed back, with the epoch of its pinning. `part_of`: the request that made it with others."""

    subject_ref: str
    epoch: int
    part_of: str | None = None


@dataclass(frozen=True, slots=True)
class HandBackAudit:
    """Which step is handed back, by whom and why."""

    step: str
    actor: str
    reason: str


def pinned_to_new(connection: PsycopgConnection, step: str, epoch: int) -> Iterator[Sequence[Order]]:
    """Pages of the subjects pinned, up to this epoch, to the step's new side."""
    after = ""
    while True:
        wanted = {"after": after, "epoch": epoch, "member": f"{step}={Owner.NEW.value}", "page": PAGE}
        with connection.transaction():
            rows = connection.execute(PINNED_TO_NEW, wanted).fetchall()
        yield _still_new(rows, step)
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def recorded(connection: PsycopgConnection, step: str) -> list[Order]:
    """Orders whose hand-back was recorded and not finished."""
    return [Order(subject_ref, epoch) for subject_ref, epoch in connection.execute(RECORDED, {"step": step}).fetchall()]


def claimed(context: PsycopgConnection, step: str, subject_refs: Sequence[str]) -> dict[str, bool]:
    """Orders with a claim: True when the new side has acted, False when there is only a tombstone."""
    return dict(context.execute(CLAIMED, {"step": step, "subject_refs": list(subject_refs)}).fetchall())


def give_to_legacy(connection: PsycopgConnection, subject_ref: str, audit: HandBackAudit) -> None:
    """Owner and audit row, in the caller's transaction; again without effect."""
    (text,) = connection.execute(LOCK_OWNERS, {"subject_ref": subject_ref}).fetchone() or ("",)
    pinned = Ownership.from_header(text)
    if pinned.of(audit.step) is Owner.NEW:
        owners = Ownership(pinned.epoch, {**pinned.owners, audit.step: Owner.LEGACY}).to_header()
        connection.execute(SET_OWNERS, {"subject_ref": subject_ref, "owners": owners})
    connection.execute(RECORD, {"subject_ref": subject_ref, "epoch": pinned.epoch, **asdict(audit)})


def finish(connection: PsycopgConnection, subject_ref: str, step: str, state: str = "done") -> bool:
    """Legacy has run, or cannot; False when another run said so first."""
    return connection.execute(END, {"subject_ref": subject_ref, "step": step, "state": state}).rowcount == 1


def under_way(connection: PsycopgConnection, subject_refs: Sequence[str]) -> set[str]:
    """Of these, the subjects of which a request may still commit."""
    return {subject_ref for (subject_ref,) in connection.execute(UNDER_WAY, {"subject_refs": list(subject_refs)})}


def has_parts(connection: PsycopgConnection, subject_ref: str) -> bool:
    """Whether it is the reference of a request that made several subjects, and of none of them."""
    return connection.execute(HAS_PARTS, {"subject_ref": subject_ref}).fetchone() is not None


def parts(connection: PsycopgConnection, subject_refs: Sequence[str], step: str) -> tuple[set[str], list[Order]]:
    """Of these, the requests that made several subjects; and which of those are still the new side's."""
    rows = connection.execute(PARTS, {"subject_refs": list(subject_refs)}).fetchall()
    return {base for _, _, base in rows}, _still_new(rows, step)


def _still_new(rows: Sequence[tuple[str, str, str | None]], step: str) -> list[Order]:
    read = [(subject_ref, Ownership.from_header(owners), base) for subject_ref, owners, base in rows]
    return [Order(ref, pinned.epoch, base) for ref, pinned, base in read if pinned.of(step) is Owner.NEW]
