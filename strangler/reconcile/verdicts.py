"""Stored verdicts: final ones stay, an audit may change them and says so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from outbox.connection import PsycopgConnection
from strangler.facts import Judgement, Verdict
from strangler.step.intents import Json

READ = "SELECT subject_ref, number, class FROM strangler.verdict WHERE step = %(step)s"

ADD_RUN = """
INSERT INTO strangler.reconciliation_run (run_id, scope, frontier, counts, started_at, ended_at)
VALUES (%(run_id)s, %(scope)s, %(frontier)s::jsonb, %(counts)s::jsonb, %(started_at)s, %(ended_at)s)"""

# Rows are written in the order of their key: two runs at once wait for each other instead of deadlocking.
PUT = """
INSERT INTO strangler.verdict AS stored (step, subject_ref, number, class, owner, fields, detail, run_id)
VALUES (%(step)s, %(subject_ref)s, %(number)s, %(class)s, %(owner)s, %(fields)s::jsonb, %(detail)s::jsonb, %(run_id)s)
ON CONFLICT (step, subject_ref, number) DO UPDATE
SET class = EXCLUDED.class, owner = EXCLUDED.owner, fields = EXCLUDED.fields, run_id = EXCLUDED.run_id,
    detail = EXCLUDED.detail || jsonb_build_object('before', stored.class)
WHERE stored.class <> EXCLUDED.class"""

REMOVE = """
DELETE FROM strangler.verdict
WHERE step = %(step)s AND subject_ref = %(subject_ref)s AND number = %(number)s"""

Key = tuple[str, int]
NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")  # as json.dumps writes it; a text may say backslash and u0000 itself


@dataclass(frozen=True, slots=True)
class Run:
    """A run's own row."""

    run_id: UUID
    scope: str
    frontier: Mapping[str, Json]
    counts: Mapping[str, Json]
    started_at: datetime
    ended_at: datetime


def read_verdicts(connection: PsycopgConnection, step: str) -> dict[Key, Verdict]:
    """The final verdicts so far, by subject and number."""
    rows = connection.execute(READ, {"step": step})
    return {(subject_ref, number): Verdict(name) for subject_ref, number, name in rows}


def store(
    connection: PsycopgConnection, run: Run, final: Sequence[Judgement], gone: Sequence[tuple[str, str, int]]
) -> None:
    """Write a run and its verdicts in one transaction; commits. `gone`: findings that are no more."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            ADD_RUN,
            {
                "run_id": run.run_id,
                "scope": run.scope,
                "frontier": encode(run.frontier),
                "counts": encode(run.counts),
                "started_at": run.started_at,
                "ended_at": run.ended_at,
            },
        )
        ordered = sorted(final, key=lambda one: (one.step, one.subject_ref, one.number))
        cursor.executemany(PUT, [_row(one, run.run_id) for one in ordered])
        removed = [dict(zip(("step", "subject_ref", "number"), key, strict=True)) for key in sorted(gone)]
        cursor.executemany(REMOVE, removed)


def encode(value: Json) -> str:
    """JSON text that PostgreSQL takes: what a ledger held may have NUL or half a surrogate in it."""
    return NUL.sub("\\1\ufffd", storable(json.dumps(value, ensure_ascii=False, default=str)))


def storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _row(one: Judgement, run_id: UUID) -> dict[str, Json]:
    return {
        "step": one.step,
        "subject_ref": storable(one.subject_ref),
        "number": one.number,
        "class": one.verdict.value,
        "owner": one.owner,
        "fields": encode(one.fields),
        "detail": encode({"reason": one.reason, **one.evidence}),
        "run_id": run_id,
    }
