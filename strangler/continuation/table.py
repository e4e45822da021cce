"""Continuations: a subject that was committed as pending goes on exactly once, whoever finds its outcome first.

A row waits for the last of the new side's steps in a run. Each outcome is kept in the row of its own step, waited for
or not: who claims sees all of them, and a hand-back may wait for an earlier step than the subject waits for now.

Lock order: the application locks its subject first, then calls `claim` or `wait_for`.
What the application's side calls speaks through any connection that `outbox.append` takes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

from outbox.speaking import execute
from strangler.step.intents import Json
from strangler.step.pg_json import encode

if TYPE_CHECKING:
    from outbox.connection import PsycopgConnection
    from outbox.speaking import AnyConnection

CHANNEL = "strangler_continuation"
START = "-"  # waits for nothing: the whole chain is still to run

# An outcome that is known already (a hand-back waits for an earlier step) makes it ready at once.
WAIT: LiteralString = """
INSERT INTO strangler.continuation (subject_ref, waits_for, state, rest, carry, version, wait_until)
VALUES (%(subject_ref)s, %(waits_for)s, %(state)s, %(rest)s::text[], %(carry)s::jsonb, %(version)s::bigint,
        clock_timestamp() + make_interval(secs => %(wait_s)s))
ON CONFLICT (subject_ref, waits_for) DO UPDATE
SET state = CASE WHEN continuation.outcome IS NULL THEN excluded.state ELSE 'ready' END,
    rest = excluded.rest, carry = excluded.carry, version = excluded.version,
    wait_until = excluded.wait_until, ended_at = NULL
RETURNING state"""

# A refusal ends what the subject waits for, whichever step that is. Rows are locked in one order over the batch.
STORE: LiteralString = """
WITH due AS MATERIALIZED (
    SELECT waiting.subject_ref, waiting.waits_for, stored.outcome
    FROM strangler.continuation AS waiting
    JOIN unnest(%(subject_refs)s::text[], %(steps)s::text[], %(refused)s::boolean[], %(outcomes)s::text[])
         AS stored (subject_ref, step, refused, outcome) USING (subject_ref)
    WHERE waiting.state = 'waiting' AND (stored.refused OR waiting.waits_for = stored.step)
    ORDER BY waiting.subject_ref, waiting.waits_for
    FOR UPDATE OF waiting)
UPDATE strangler.continuation AS ready
SET state = 'ready', outcome = due.outcome::jsonb, next_attempt_at = clock_timestamp()
FROM due WHERE (ready.subject_ref, ready.waits_for) = (due.subject_ref, due.waits_for)
RETURNING ready.subject_ref"""

# After STORE: a hand-back may have made the subject wait for just this step in between.
KEEP: LiteralString = """
INSERT INTO strangler.continuation AS kept (subject_ref, waits_for, state, outcome, wait_until, ended_at)
SELECT stored.subject_ref, stored.step, 'done', stored.outcome::jsonb, now(), now()
FROM unnest(%(subject_refs)s::text[], %(steps)s::text[], %(outcomes)s::text[]) AS stored (subject_ref, step, outcome)
ORDER BY stored.subject_ref, stored.step
ON CONFLICT (subject_ref, waits_for) DO UPDATE
SET state = 'ready', outcome = excluded.outcome, next_attempt_at = clock_timestamp()
WHERE kept.state = 'waiting'
RETURNING kept.subject_ref, kept.state"""

NOTIFY: LiteralString = (
    "SELECT pg_notify(%(channel)s, subject_ref) FROM unnest(%(subject_refs)s::text[]) AS woken (subject_ref)"
)

# The guard: of all who find it ready, one gets the row, and its transaction runs the rest. The row that was claimed
# comes from the update, which sees it as it is: who had to wait for its lock sees the others as they were before.
# JSON as text: an application may read jsonb in its own way.
CLAIM: LiteralString = """
WITH claimed AS (
    UPDATE strangler.continuation SET state = 'done', ended_at = now()
    WHERE subject_ref = %(subject_ref)s AND state = 'ready'
    RETURNING waits_for, rest, carry, version, outcome)
SELECT waits_for, rest, carry::text, version, outcome::text,
       (SELECT jsonb_agg(kept.outcome)::text FROM strangler.continuation AS kept
        WHERE kept.subject_ref = %(subject_ref)s AND kept.outcome IS NOT NULL)
FROM claimed"""

READY: LiteralString = "SELECT 1 FROM strangler.continuation WHERE subject_ref = %(subject_ref)s AND state = 'ready'"

# A row that is locked is having its outcome stored, by a process that may be slow: the client's answer does not wait
# for that commit, the row's `wait_until` ends by itself.
GIVE_UP: LiteralString = """
UPDATE strangler.continuation SET wait_until = clock_timestamp()
WHERE (subject_ref, waits_for) IN (
    SELECT subject_ref, waits_for FROM strangler.continuation
    WHERE subject_ref = %(subject_ref)s AND state <> 'done' FOR UPDATE SKIP LOCKED)"""

DUE: LiteralString = """
SELECT subject_ref FROM strangler.continuation
WHERE state = 'ready' AND next_attempt_at <= now() AND wait_until <= now()
ORDER BY next_attempt_at LIMIT %(limit)s"""

# Whom another runner works on is left to it: its lock may be held for as long as a vendor takes.
POSTPONE: LiteralString = """
UPDATE strangler.continuation
SET attempts = attempts + 1,
    next_attempt_at = now() + make_interval(secs => least(%(cap_s)s, %(base_s)s * 2 ^ least(attempts, 30)) * %(jitter)s)
WHERE (subject_ref, waits_for) IN (
    SELECT subject_ref, waits_for FROM strangler.continuation
    WHERE subject_ref = %(subject_ref)s AND state = 'ready' FOR UPDATE SKIP LOCKED)
RETURNING attempts"""

OPEN: LiteralString = """
SELECT waits_for, state, rest FROM strangler.continuation
WHERE subject_ref = %(subject_ref)s AND state <> 'done' FOR UPDATE"""

RUN_BEFORE: LiteralString = """
SELECT state, coalesce(outcome->>'step', waits_for) FROM strangler.continuation
WHERE subject_ref = %(subject_ref)s
  AND (state <> 'done' OR waits_for = ANY (%(steps)s) OR outcome->>'step' = ANY (%(steps)s))
ORDER BY state = 'done' LIMIT 1"""

STANDING: LiteralString = """
SELECT bool_or(state <> 'done'), min(outcome->>'step') FILTER (WHERE (outcome->>'refused')::boolean)
FROM strangler.continuation WHERE subject_ref = %(subject_ref)s"""

FORGET: LiteralString = """
DELETE FROM strangler.continuation WHERE subject_ref = %(subject_ref)s AND waits_for = %(waits_for)s
RETURNING rest, carry::text, version"""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What a step of the new side came to for a subject. `detail` is plain JSON in the plan's words."""

    subject_ref: str
    step: str
    refused: bool
    detail: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Continuation:
    """A claimed one. `refusal`: which step refused the subject, if one did. `outcomes`: what is known, by step.

    `rest`, `carry` and `version` are as `wait_for` was given them: the steps that were still to run, what they need to
    know, and the change that they are for.
    """

    waits_for: str
    refusal: StepOutcome | None
    outcomes: Mapping[str, StepOutcome] = field(default_factory=dict)
    rest: Sequence[str] = ()
    carry: Mapping[str, Json] = field(default_factory=dict)
    version: int | None = None


def wait_for(
    connection: AnyConnection,
    subject_ref: str,
    step: str,
    *,
    wait_s: float,
    ready: bool = False,
    rest: Sequence[str] = (),
    carry: Mapping[str, Json] | None = None,
    version: int | None = None,
) -> bool:
    """Make the subject wait for the step, in the caller's transaction; True when it need not wait.

    For `wait_s` seconds the request that waits goes first; then any runner may take it.
    """
    parameters = {
        "subject_ref": subject_ref,
        "waits_for": step,
        "state": "ready" if ready else "waiting",
        "rest": list(rest),
        "carry": encode(dict(carry or {})),
        "version": version,
        "wait_s": wait_s,
    }
    ((state,),) = execute(connection, WAIT, parameters)
    if state == "ready":
        wake(connection, [subject_ref])
    return bool(state == "ready")


def wake(connection: AnyConnection, subject_refs: Sequence[str]) -> None:
    """Say at the commit that these subjects may go on."""
    execute(connection, NOTIFY, {"channel": CHANNEL, "subject_refs": list(subject_refs)}, joins=False)


def claim(connection: AnyConnection, subject_ref: str) -> Continuation | None:
    """Take the subject's continuation, in the transaction that runs the rest; None when there is none to take."""
    rows = execute(connection, CLAIM, {"subject_ref": subject_ref})
    if not rows:
        return None
    ((waits_for, rest, carry, version, outcome, kept),) = rows
    ended = None if outcome is None else _read(subject_ref, json.loads(outcome))
    known = {one.step: one for one in (_read(subject_ref, stored) for stored in json.loads(kept or "[]"))}
    if ended is not None:
        known[ended.step] = ended
    refusal = ended if ended is not None and ended.refused else None
    return Continuation(waits_for, refusal, known, tuple(rest), json.loads(carry), version)


def is_ready(connection: AnyConnection, subject_ref: str) -> bool:
    """Whether there was something to claim just now; locks nothing."""
    return bool(execute(connection, READY, {"subject_ref": subject_ref}, joins=False))


def give_up(connection: AnyConnection, subject_ref: str) -> None:
    """Nobody waits any longer: whoever finds it ready may take it. Waits for nobody."""
    execute(connection, GIVE_UP, {"subject_ref": subject_ref}, joins=False)


def run_before(connection: AnyConnection, subject_ref: str, steps: Sequence[str]) -> tuple[bool, str] | None:
    """Whether an earlier chain of the subject still runs, and its step; or has come to an outcome of one of `steps`."""
    rows = execute(connection, RUN_BEFORE, {"subject_ref": subject_ref, "steps": list(steps)})
    return (rows[0][0] != "done", str(rows[0][1])) if rows else None


def standing(connection: AnyConnection, subject_ref: str) -> tuple[bool, str | None]:
    """Whether anything is still to run for the subject, and the step that refused it; waits for nobody who runs it."""
    ((waits, refused_by),) = execute(connection, STANDING, {"subject_ref": subject_ref})
    return bool(waits), refused_by


def keep(connection: AnyConnection, outcome: StepOutcome) -> None:
    """An outcome of legacy's, for whoever looks later."""
    arrays = {"subject_refs": [outcome.subject_ref], "steps": [outcome.step], "outcomes": [encode(_stored(outcome))]}
    execute(connection, KEEP, arrays)


def still_to_run(connection: AnyConnection, subject_ref: str) -> tuple[str | None, tuple[str, ...]]:
    """What the subject waits for, None when it is ready or does not wait, and the steps that are to run; locked."""
    rows = execute(connection, OPEN, {"subject_ref": subject_ref})
    if not rows:
        return None, ()
    ((waits_for, state, rest),) = rows
    return waits_for if state == "waiting" else None, tuple(rest)


def wait_instead(connection: AnyConnection, subject_ref: str, *, waits_for: str, step: str, ready: bool) -> None:
    """A hand-back: wait for an earlier `step` than `waits_for`. `ready`: there is nothing to wait for."""
    for rest, carry, version in execute(connection, FORGET, {"subject_ref": subject_ref, "waits_for": waits_for}):
        left = {"rest": rest, "carry": json.loads(carry), "version": version}
        wait_for(connection, subject_ref, step, wait_s=0.0, ready=ready, **left)


def store(connection: PsycopgConnection, outcomes: Sequence[StepOutcome]) -> int:
    """Store outcomes in the caller's transaction and wake who waits, at its commit; how many subjects became ready.

    Again without effect. The first outcome of a subject and step counts.
    """
    first = list({(one.subject_ref, one.step): one for one in reversed(outcomes)}.values())
    if not first:
        return 0
    parameters = {
        "subject_refs": [one.subject_ref for one in first],
        "steps": [one.step for one in first],
        "refused": [one.refused for one in first],
        "outcomes": [encode(_stored(one)) for one in first],
    }
    ready = {subject_ref for (subject_ref,) in connection.execute(STORE, parameters)}
    ready |= {subject_ref for subject_ref, state in connection.execute(KEEP, parameters) if state == "ready"}
    if ready:
        wake(connection, sorted(ready))
    return len(ready)


def due(connection: PsycopgConnection, limit: int) -> list[str]:
    """Subjects that are ready, due, and that no request waits for."""
    return [subject_ref for (subject_ref,) in connection.execute(DUE, {"limit": limit})]


def postpone(connection: PsycopgConnection, subject_ref: str, *, base_s: float, cap_s: float, jitter: float) -> int:
    """The next attempt in `jitter` (0..1) of a time that doubles up to `cap_s`; how many there were, 0 where somebody
    else has it in hand, or has ended it.
    """
    parameters = {"subject_ref": subject_ref, "base_s": base_s, "cap_s": cap_s, "jitter": jitter}
    return max((attempts for (attempts,) in connection.execute(POSTPONE, parameters)), default=0)


def _stored(outcome: StepOutcome) -> Mapping[str, Json]:
    return {"step": outcome.step, "refused": outcome.refused, "detail": dict(outcome.detail)}


def _read(subject_ref: str, stored: Mapping[str, Json]) -> StepOutcome:
    return StepOutcome(subject_ref, stored["step"], stored["refused"], stored["detail"])
