"""Claims without an answer, for operators: which there are, and saying of one that nothing came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import LiteralString

from outbox.connection import PsycopgConnection
from outbox.told import Told
from strangler.errors import RefusedError

# A digest names a claim to people, for a key is a customer's.
OPEN: LiteralString = """
SELECT left(encode(sha256(convert_to(tenant || ' ' || key, 'UTF8')), 'hex'), 16), subject_ref, route,
       CASE WHEN state = 'released' THEN 'released' WHEN lease_until > now() THEN 'under_way' ELSE 'unknown' END,
       created_at, extract(epoch FROM now() - created_at)::float8, expires_at
FROM strangler.idempotency WHERE state <> 'done' AND expires_at > now()
ORDER BY created_at LIMIT %(limit)s"""

# The row's lock keeps a request from taking it over meanwhile; what has an answer, or is under way, is left alone.
RELEASE_LOST: LiteralString = """
WITH released AS (
    UPDATE strangler.idempotency SET state = 'released', lease_until = now()
    WHERE left(encode(sha256(convert_to(tenant || ' ' || key, 'UTF8')), 'hex'), 16) = %(claim)s
      AND state = 'started' AND lease_until <= now() AND expires_at > now()
    RETURNING subject_ref, route, created_at
)
INSERT INTO strangler.claim_release (claim, subject_ref, route, claimed_at, actor, reason)
SELECT %(claim)s, subject_ref, route, created_at, %(actor)s, %(reason)s FROM released RETURNING subject_ref"""


class OpenState(StrEnum):
    """Of a claim without an answer."""

    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """`claim` names it; `route` is its target in the plan. After `expires_at` its key is free whatever became of it."""

    claim: str
    subject_ref: str
    route: str
    state: OpenState
    claimed_at: datetime
    age_s: float
    expires_at: datetime


def open_claims(connection: PsycopgConnection, limit: int = 50) -> Sequence[OpenClaim]:
    """The oldest first."""
    rows = connection.execute(OPEN, {"limit": limit}).fetchall()
    return [OpenClaim(claim, ref, route, OpenState(state), *rest) for claim, ref, route, state, *rest in rows]


def release_lost(connection: PsycopgConnection, claim: str, said: Told) -> str:
    """The reference of its subject; the next request with its key and its body is carried out. In the caller's
    transaction, audited. `RefusedError` unless it is unknown.
    """
    values = {"claim": claim, "actor": said.actor, "reason": said.reason}
    row = connection.execute(RELEASE_LOST, values).fetchone()
    if row is None:
        raise RefusedError(
            f"refused: {claim} is no claim whose outcome is unknown: it has an answer, is under way, has been released "
            "or has expired; see `strangler claims list`"
        )
    return str(row[0])
