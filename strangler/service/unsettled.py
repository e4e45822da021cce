"""Effects that nobody can find out about by asking: an operator looks, and says what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from outbox.connection import PsycopgConnection
from outbox.told import Told
from strangler.errors import RefusedError
from strangler.service.declaration import Service
from strangler.step.effect_ending import end_and_follow
from strangler.step.effect_table import Effect, Ending
from strangler.step.intents import Json

UNSETTLED = """
SELECT subject_ref, number, key, vendor, operation, attempts, first_sent_at, coalesce(outcome, '{}') AS outcome
FROM effect WHERE step = %(step)s AND state = 'unknown' AND next_attempt_at = 'infinity'
ORDER BY first_sent_at, subject_ref, number LIMIT %(limit)s"""

# Of two operators the second waits, and finds it settled.
LOCK = """
SELECT subject_ref, step, number, key, vendor, operation, body, carry, attempts,
       extract(epoch FROM now() - first_sent_at)::float8 AS age_s
FROM effect WHERE key = %(key)s AND step = %(step)s AND state = 'unknown' AND next_attempt_at = 'infinity'
FOR UPDATE"""

# What was seen until now goes; who decided, and why, stays from here on.
AGAIN = """
UPDATE effect SET state = 'planned', first_sent_at = NULL, next_attempt_at = now(),
    outcome = jsonb_build_object('sent_again', coalesce(outcome -> 'sent_again', '[]')
        || jsonb_build_object('by', %(actor)s::text, 'reason', %(reason)s::text, 'at', now()))
WHERE key = %(key)s"""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An effect that its vendor may have done. `outcome`: what was seen when it was asked."""

    subject_ref: str
    number: int
    key: str
    vendor: str
    operation: str
    attempts: int
    first_sent_at: datetime
    outcome: Mapping[str, Json]


def unsettled(connection: PsycopgConnection, step: str, *, limit: int) -> Sequence[Unsettled]:
    """The oldest first."""
    with connection.cursor(row_factory=class_row(Unsettled)) as cursor:
        return cursor.execute(UNSETTLED, {"step": step, "limit": limit}).fetchall()


def settle(
    connection: PsycopgConnection,
    service: Service,
    key: str,
    ending: Ending,
    said: Told,
    *,
    kept: Mapping[str, Json] | None = None,
) -> None:
    """It was done, or it was not and never will be; what follows is done as after the vendor's own answer. Commits.

    `kept`: what of the vendor's answer `conclude` needs. The outcome says beside it who settled it, and why.
    """
    outcome = {**(kept or {}), "settled_by": said.actor, "reason": said.reason}
    with connection.transaction():
        effect = _locked(connection, service, key)
        end_and_follow(
            connection, effect, ending, outcome, conclude=service.conclude, apply_writes=service.apply_writes
        )


def send_again(connection: PsycopgConnection, service: Service, key: str, said: Told) -> None:
    """It was not done: the vendor is asked as if for the first time. `sent_again` of its outcome keeps who said so, why
    and when. Commits.
    """
    with connection.transaction():
        _locked(connection, service, key)
        connection.execute(AGAIN, {"key": key, "actor": said.actor, "reason": said.reason})


def _locked(connection: PsycopgConnection, service: Service, key: str) -> Effect:
    with connection.cursor(row_factory=class_row(Effect)) as cursor:
        found = cursor.execute(LOCK, {"key": key, "step": service.name}).fetchone()
    if found is None:
        raise RefusedError(
            f"{service.name} has no unsettled effect of key {key[:80]!r}; see `strangler effects list {service.name}`"
        )
    return found
