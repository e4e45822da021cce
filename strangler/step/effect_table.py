"""The effect table: planned -> sent (committed before the call) -> done | unknown | refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString

from psycopg.rows import class_row

from outbox.connection import PsycopgConnection
from strangler.step.intents import Json
from strangler.step.pg_json import encode

# In an outcome, where no vendor refused it: its key was no longer safe to send, and the vendor did not have it.
NEVER_ACCEPTED = "never accepted, key expired"

# One lease per attempt: whoever takes an effect has it until next_attempt_at; a crash lets it fall due again.
# SKIP LOCKED: senders side by side never wait for each other.
TAKE = """
WITH due AS (
    SELECT subject_ref, step, number FROM effect
    WHERE state IN ('planned', 'sent', 'unknown') AND next_attempt_at <= now()
      AND step = %(step)s AND vendor = %(vendor)s AND (attempts > 0) = %(again)s
    ORDER BY next_attempt_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED)
UPDATE effect
SET state = 'sent', attempts = attempts + 1, first_sent_at = coalesce(first_sent_at, now()),
    next_attempt_at = now() + make_interval(secs => %(lease_s)s)
FROM due
WHERE (effect.subject_ref, effect.step, effect.number) = (due.subject_ref, due.step, due.number)
RETURNING effect.subject_ref, effect.step, effect.number, effect.key, effect.vendor, effect.operation, effect.body,
          effect.carry, effect.attempts, extract(epoch FROM now() - effect.first_sent_at)::float8 AS age_s"""

DUE_AGAIN = """
SELECT count(*) FROM (
    SELECT FROM effect
    WHERE state IN ('planned', 'sent', 'unknown') AND next_attempt_at <= now()
      AND step = %(step)s AND vendor = %(vendor)s AND attempts > 0
    LIMIT %(limit)s) AS due"""

DUE = """
SELECT count(*) FROM (
    SELECT FROM effect
    WHERE state IN ('planned', 'sent', 'unknown') AND next_attempt_at <= now()
      AND step = %(step)s AND vendor = %(vendor)s
    LIMIT %(limit)s) AS due"""

# Who had an effect sent again, and why, stays through whatever follows. A part of statements, of no input (S608).
OUTCOME: LiteralString = """outcome = %(outcome)s::jsonb
    || jsonb_strip_nulls(jsonb_build_object('sent_again', effect.outcome -> 'sent_again'))"""

# The first to end an effect wins; what follows from the other one's outcome is not done.
END = f"""
UPDATE effect SET state = %(state)s, ended_at = now(), {OUTCOME}
WHERE (subject_ref, step, number) = (%(subject_ref)s, %(step)s, %(number)s) AND state IN ('sent', 'unknown')"""  # noqa: S608

# Only the holder of the lease may say that it does not know.
POSTPONE = f"""
UPDATE effect SET state = 'unknown', {OUTCOME},
                  next_attempt_at = now() + make_interval(secs => %(delay_s)s)
WHERE (subject_ref, step, number) = (%(subject_ref)s, %(step)s, %(number)s)
  AND state = 'sent' AND attempts = %(attempts)s"""  # noqa: S608

# It cannot have acted: as if it had never been sent. The attempts still count, so that it is not asked at full speed.
UNSEND = f"""
UPDATE effect SET state = 'planned', {OUTCOME}, first_sent_at = NULL,
                  next_attempt_at = now() + make_interval(secs => %(delay_s)s)
WHERE (subject_ref, step, number) = (%(subject_ref)s, %(step)s, %(number)s)
  AND state = 'sent' AND attempts = %(attempts)s"""  # noqa: S608

# Nobody asks again by himself: `take` never finds it due.
PARK = f"""
UPDATE effect SET state = 'unknown', {OUTCOME}, next_attempt_at = 'infinity'
WHERE (subject_ref, step, number) = (%(subject_ref)s, %(step)s, %(number)s)
  AND state = 'sent' AND attempts = %(attempts)s"""  # noqa: S608


class Ending(StrEnum):
    """A state that is never left."""

    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Effect:
    """A taken effect. `age_s` counts from the first attempt on the database's clock: 0 at the first.

    `carry` is what its step's planner left for its conclusion, with the context of the event: never the vendor's.
    """

    subject_ref: str
    step: str
    number: int
    key: str
    vendor: str
    operation: str
    body: Mapping[str, Json]
    carry: Mapping[str, Json]
    attempts: int
    age_s: float

    @property
    def is_first_send(self) -> bool:
        """Whether the vendor has not been asked before this attempt, as far as anybody knows."""
        return self.age_s == 0


def take(
    connection: PsycopgConnection, *, step: str, vendor: str, limit: int, lease_s: float, again: bool
) -> list[Effect]:
    """Take due effects, marked sent: new ones, or those to be tried again. Commits, so that a crash leaves a trace."""
    parameters = {"step": step, "vendor": vendor, "limit": limit, "lease_s": lease_s, "again": again}
    with connection.transaction(), connection.cursor(row_factory=class_row(Effect)) as cursor:
        return cursor.execute(TAKE, parameters).fetchall()


def due(connection: PsycopgConnection, *, step: str, vendor: str, limit: int) -> int:
    """How many effects are due, new ones too, `limit` at most."""
    return _counted(connection, DUE, step, vendor, limit)


def due_again(connection: PsycopgConnection, *, step: str, vendor: str, limit: int) -> int:
    """How many effects are due to be tried again, `limit` at most."""
    return _counted(connection, DUE_AGAIN, step, vendor, limit)


def _counted(connection: PsycopgConnection, query: LiteralString, step: str, vendor: str, limit: int) -> int:
    with connection.transaction():
        row = connection.execute(query, {"step": step, "vendor": vendor, "limit": limit}).fetchone()
    return row[0] if row else 0


def end(
    connection: PsycopgConnection,
    effect: Effect,
    ending: Ending,
    outcome: Mapping[str, Json],
    follow: Callable[[PsycopgConnection], None],
) -> bool:
    """End an effect and do what follows in one transaction; commits. False if it had ended before."""
    parameters = {**_place(effect), "state": ending.value, "outcome": encode(outcome)}
    with connection.transaction():
        ended = connection.execute(END, parameters).rowcount == 1
        if ended:
            follow(connection)
    return ended


def postpone(connection: PsycopgConnection, effect: Effect, *, delay_s: float, outcome: Mapping[str, Json]) -> None:
    """Mark an effect unknown until its next attempt; commits."""
    parameters = {**_place(effect), "attempts": effect.attempts, "delay_s": delay_s, "outcome": encode(outcome)}
    with connection.transaction():
        connection.execute(POSTPONE, parameters)


def unsend(connection: PsycopgConnection, effect: Effect, *, delay_s: float, outcome: Mapping[str, Json]) -> None:
    """Plan an effect anew that has not left; commits."""
    parameters = {**_place(effect), "attempts": effect.attempts, "delay_s": delay_s, "outcome": encode(outcome)}
    with connection.transaction():
        connection.execute(UNSEND, parameters)


def park(connection: PsycopgConnection, effect: Effect, *, outcome: Mapping[str, Json]) -> None:
    """Leave an effect of unknown outcome to an operator; commits."""
    with connection.transaction():
        connection.execute(PARK, {**_place(effect), "attempts": effect.attempts, "outcome": encode(outcome)})


def _place(effect: Effect) -> dict[str, Any]:
    return {"subject_ref": effect.subject_ref, "step": effect.step, "number": effect.number}
