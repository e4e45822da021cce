"""The authority table in PostgreSQL: who holds what, its fence, and the audit of its moves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg.rows import dict_row

from outbox.connection import PsycopgConnection
from strangler.errors import BadPlan, StranglerError
from strangler.shared_state.shared import Holder, Shared
from strangler.step.intents import Json

# Whoever writes the resource holds this lock shared to its commit. Waiting for it exclusively makes later writers wait
# behind the move, so it is never starved, and it gives up before clients notice.
FENCE: LiteralString = "SELECT pg_advisory_xact_lock(hashtextextended('strangler.authority.' || %(resource)s, 0))"
LOCK_TIMEOUT: LiteralString = "SELECT set_config('lock_timeout', '5s', true)"
# Every statement under the fence must see what was committed before the fence was granted.
NEW_SNAPSHOTS: LiteralString = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"

ADD: LiteralString = """
INSERT INTO strangler.authority (resource, holder) VALUES (%(resource)s, 'legacy')
ON CONFLICT (resource) DO NOTHING RETURNING resource"""

READ: LiteralString = "SELECT resource, holder, epoch, moved_at FROM strangler.authority ORDER BY resource"

# Under the fence; FOR UPDATE, so that two moves of one resource come one after the other whatever else they hold.
LOCK: LiteralString = "SELECT holder, epoch FROM strangler.authority WHERE resource = %(resource)s FOR UPDATE"

SWITCH: LiteralString = """
UPDATE strangler.authority SET holder = %(to_holder)s, epoch = epoch + 1, moved_at = now()
WHERE resource = %(resource)s AND holder = %(from_holder)s RETURNING epoch"""

AUDIT: LiteralString = """
INSERT INTO strangler.authority_move (resource, epoch, from_holder, to_holder, actor, reason, evidence)
VALUES (%(resource)s, %(epoch)s, %(from_holder)s, %(to_holder)s, %(actor)s, %(reason)s, %(evidence)s::jsonb)"""

HISTORY: LiteralString = """
SELECT resource, epoch, from_holder, to_holder, actor, reason, evidence, moved_at
FROM strangler.authority_move ORDER BY moved_at DESC, resource, epoch DESC LIMIT %(limit)s"""

RETIRED: LiteralString = "SELECT step FROM strangler.stage WHERE stage = 'retired' AND step = ANY (%(steps)s)"


@dataclass(frozen=True, slots=True)
class Authority:
    """Who holds a resource, since when; the epoch counts its moves."""

    resource: str
    holder: Holder
    epoch: int
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class AuditedAuthority:
    """A move that was made; it began `epoch`. `evidence`: what was copied, and the sums on both sides."""

    resource: str
    epoch: int
    from_holder: Holder
    to_holder: Holder
    actor: str
    reason: str
    evidence: Mapping[str, Json]
    moved_at: datetime


def authorities(connection: PsycopgConnection) -> Mapping[str, Authority]:
    """By resource; one without a row is legacy's."""
    rows = connection.execute(READ).fetchall()
    return {resource: Authority(resource, Holder(holder), epoch, at) for resource, holder, epoch, at in rows}


def authority_moves(connection: PsycopgConnection, limit: int = 50) -> Sequence[AuditedAuthority]:
    """The audit, newest first."""
    rows = connection.execute(HISTORY, {"limit": limit}).fetchall()
    return [AuditedAuthority(row[0], row[1], Holder(row[2]), Holder(row[3]), *row[4:]) for row in rows]


def ensure_authorities(connection: PsycopgConnection, resources: Iterable[str]) -> Sequence[str]:
    """One row, at legacy, for each resource; the names that were added. Rows that exist stay."""
    return [name for name in sorted(resources) if connection.execute(ADD, {"resource": name}).fetchone() is not None]


def limit_waits(connection: PsycopgConnection) -> None:
    """No lock is waited for longer than 5 s in the caller's transaction."""
    connection.execute(LOCK_TIMEOUT)


def fence(connection: PsycopgConnection, resource: str) -> Authority:
    """Let nobody write the resource until the caller's transaction, begun just now, ends.

    `LockNotAvailable` after 5 s.
    """
    connection.execute(NEW_SNAPSHOTS)
    limit_waits(connection)
    connection.execute(FENCE, {"resource": resource})
    connection.execute(LOCK, {"resource": resource})
    return authorities(connection)[resource]


def switch(
    connection: PsycopgConnection, held: Authority, to: Holder, *, actor: str, reason: str, evidence: Mapping[str, Json]
) -> int:
    """Make the move in the caller's transaction, which holds `fence`; the epoch that it begins."""
    values = {"resource": held.resource, "from_holder": held.holder.value, "to_holder": to.value}
    row = connection.execute(SWITCH, values).fetchone()
    if row is None:
        raise StranglerError(f"{held.resource} is not with {held.holder} any more; take the fence, read and try again")
    told = {"epoch": row[0], "actor": actor, "reason": reason, "evidence": json.dumps(evidence)}
    connection.execute(AUDIT, {**values, **told})
    return int(row[0])


def tally(connection: PsycopgConnection, shared: Shared, side: Holder) -> Mapping[str, int]:
    """The numbers of one side, as they are now."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(shared.tally[side]).fetchall()
    if len(rows) != 1:
        raise BadPlan(f"the tally of {shared.what} on the {side} side has {len(rows)} rows; let it answer exactly one")
    return {name: int(value) for name, value in rows[0].items()}


def retired_steps(connection: PsycopgConnection, steps: Iterable[str]) -> Sequence[str]:
    """Those of the steps that have no legacy side any more."""
    return [row[0] for row in connection.execute(RETIRED, {"steps": list(steps)})]
