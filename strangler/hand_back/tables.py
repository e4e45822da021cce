"""What a hand-back reads and writes: owners and their audit in the main database, claims in the context's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import LiteralString

from outbox.connection import PsycopgConnection
from strangler.ownership import Owner, Ownership

PAGE = 1_000  # orders; one page is in memory at a time

# `position`, not LIKE: a step's name may hold `_`. Parsed again afterwards. Pins of a later epoch follow later stages.
PINNED_TO_NEW: LiteralString = """
SELECT order_ref, owners FROM strangler.ownership
WHERE order_ref > %(after)s AND epoch <= %(epoch)s AND position(%(member)s IN owners) > 0
ORDER BY order_ref LIMIT %(page)s"""

# Recorded, but legacy has not been seen to run: an earlier run was interrupted.
RECORDED: LiteralString = """
SELECT order_ref, pinned_epoch FROM strangler.hand_back WHERE step = %(step)s AND state = 'tombstoned'"""

# In the context's schema. A claim is never taken back, so a started order may be skipped without asking again. What
# was given up is started: a replay on this side makes up for it.
CLAIMED: LiteralString = """
SELECT order_ref, bool_or(kind IN ('applied', 'shed')) FROM claim
WHERE step = %(step)s AND order_ref = ANY (%(order_refs)s) GROUP BY order_ref"""

# The row lock keeps two hand-backs of different steps from overwriting each other's header.
LOCK_OWNERS: LiteralString = "SELECT owners FROM strangler.ownership WHERE order_ref = %(order_ref)s FOR UPDATE"
SET_OWNERS: LiteralString = "UPDATE strangler.ownership SET owners = %(owners)s WHERE order_ref = %(order_ref)s"
RECORD: LiteralString = """
INSERT INTO strangler.hand_back (order_ref, step, pinned_epoch, state, actor, reason)
VALUES (%(order_ref)s, %(step)s, %(epoch)s, 'tombstoned', %(actor)s, %(reason)s)
ON CONFLICT (order_ref, step) DO NOTHING"""

# Conditional, so that of two runs at once only one counts the order.
DONE: LiteralString = """
UPDATE strangler.hand_back SET state = 'done', done_at = now()
WHERE order_ref = %(order_ref)s AND step = %(step)s AND state = 'tombstoned'"""

# Of the orders that legacy does not have: those whose request may still be under way. A request that was answered
# has ended; one that was pinned a minute ago has been given up by every time-out on its way.
STILL_COMING: LiteralString = """
SELECT order_ref FROM strangler.ownership AS pin
WHERE order_ref = ANY (%(order_refs)s) AND pinned_at > now() - interval '60 s'
  AND NOT EXISTS (SELECT FROM strangler.idempotency AS request
                  WHERE request.order_ref = pin.order_ref AND request.state = 'done')"""


@dataclass(frozen=True, slots=True)
class Order:
    """One that may be handed back, with the epoch of its pinning."""

    order_ref: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Audit:
    """Which step is handed back, by whom and why."""

    step: str
    actor: str
    reason: str


def pinned_to_new(connection: PsycopgConnection, step: str, epoch: int) -> Iterator[Sequence[Order]]:
    """Pages of the orders pinned, up to this epoch, to the step's new side."""
    after = ""
    while True:
        wanted = {"after": after, "epoch": epoch, "member": f"{step}={Owner.NEW.value}", "page": PAGE}
        with connection.transaction():
            rows = connection.execute(PINNED_TO_NEW, wanted).fetchall()
        read = [(order_ref, Ownership.from_header(owners)) for order_ref, owners in rows]
        yield [Order(order_ref, pinned.epoch) for order_ref, pinned in read if pinned.of(step) is Owner.NEW]
        if len(rows) < PAGE:
            return
        after = rows[-1][0]


def recorded(connection: PsycopgConnection, step: str) -> list[Order]:
    """Orders whose hand-back was recorded and not finished."""
    return [Order(order_ref, epoch) for order_ref, epoch in connection.execute(RECORDED, {"step": step}).fetchall()]


def claimed(context: PsycopgConnection, step: str, order_refs: Sequence[str]) -> dict[str, bool]:
    """Orders with a claim: True when the new side has acted, False when there is only a tombstone."""
    return dict(context.execute(CLAIMED, {"step": step, "order_refs": list(order_refs)}).fetchall())


def give_to_legacy(connection: PsycopgConnection, order_ref: str, audit: Audit) -> None:
    """Owner and audit row, in the caller's transaction; again without effect."""
    (text,) = connection.execute(LOCK_OWNERS, {"order_ref": order_ref}).fetchone() or ("",)
    pinned = Ownership.from_header(text)
    if pinned.of(audit.step) is Owner.NEW:
        owners = Ownership(pinned.epoch, {**pinned.owners, audit.step: Owner.LEGACY}).to_header()
        connection.execute(SET_OWNERS, {"order_ref": order_ref, "owners": owners})
    connection.execute(RECORD, {"order_ref": order_ref, "epoch": pinned.epoch, **asdict(audit)})


def finish(connection: PsycopgConnection, order_ref: str, step: str) -> bool:
    """Legacy has run; False when another run said so first."""
    return connection.execute(DONE, {"order_ref": order_ref, "step": step}).rowcount == 1


def still_coming(connection: PsycopgConnection, order_refs: Sequence[str]) -> set[str]:
    """Of these, the orders whose request may still commit."""
    return {order_ref for (order_ref,) in connection.execute(STILL_COMING, {"order_refs": list(order_refs)}).fetchall()}
