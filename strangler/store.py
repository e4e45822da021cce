"""The stage table in PostgreSQL: read by every pin, moved under a lock, every move audited."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from outbox.connection import PsycopgConnection
from strangler.errors import StranglerError
from strangler.facts import FINDINGS
from strangler.plan import Plan
from strangler.reads.table import ensure_reads
from strangler.shared_state import ensure_authorities
from strangler.stage_evidence import MOST_COUNTED, StageEvidence
from strangler.stages import Move, Stage, StageRow, StageTable, stage_of
from strangler.step.intents import Json

# One advisory key per database, always held to the transaction's end. A pin takes it shared and only then reads the
# stages (a statement of its own: its snapshot must be younger than the lock); a move takes it exclusive. So when a
# move has committed, every pin of an earlier epoch has committed too, and no pin reads a stage that is being moved.
STAGE_LOCK = 0x5354_5241_4E47  # "STRANG"
SHARE_LOCK: LiteralString = "SELECT pg_advisory_xact_lock_shared(%(key)s)"
MOVE_LOCK: LiteralString = "SELECT pg_advisory_xact_lock(%(key)s)"
# A waiting move makes later pins wait behind it: it gives up before clients notice.
MOVE_LOCK_TIMEOUT: LiteralString = "SELECT set_config('lock_timeout', '5s', true)"

# One statement, so one snapshot: epoch and rows belong together.
READ_STAGES: LiteralString = """
SELECT current.epoch, stage.step, stage.stage, stage.ramp_bp, stage.salt
FROM strangler.epoch AS current LEFT JOIN strangler.stage ON stage.kind = 'step'
ORDER BY stage.step"""
READ_STAGES_OF_READS: LiteralString = """
SELECT current.epoch, stage.step, stage.stage, stage.ramp_bp, stage.salt
FROM strangler.epoch AS current LEFT JOIN strangler.stage ON stage.kind = 'read'
ORDER BY stage.step"""

NEXT_EPOCH: LiteralString = "UPDATE strangler.epoch SET epoch = epoch + 1 RETURNING epoch"

# Conditional on what the move was planned from: without the lock it finds no row.
SET_STAGE: LiteralString = """
UPDATE strangler.stage SET stage = %(to_stage)s, ramp_bp = %(to_bp)s
WHERE step = %(step)s AND stage = %(from_stage)s AND ramp_bp = %(from_bp)s"""

AUDIT: LiteralString = """
INSERT INTO strangler.stage_move (epoch, step, from_stage, to_stage, from_bp, to_bp, actor, reason, evidence)
VALUES (%(epoch)s, %(step)s, %(from_stage)s, %(to_stage)s, %(from_bp)s, %(to_bp)s, %(actor)s, %(reason)s,
        %(evidence)s::jsonb)"""

HISTORY: LiteralString = """
SELECT epoch, step, from_stage, from_bp, to_stage, to_bp, actor, reason, moved_at, coalesce(evidence ->> 'anyway', '')
FROM strangler.stage_move ORDER BY epoch DESC LIMIT %(limit)s"""

LAST_MOVES: LiteralString = """
SELECT DISTINCT ON (step) epoch, step, from_stage, from_bp, to_stage, to_bp, actor, reason, moved_at,
       coalesce(evidence ->> 'anyway', '')
FROM strangler.stage_move ORDER BY step, epoch DESC"""

LAST_MOVE: LiteralString = "SELECT coalesce(max(epoch), 0) FROM strangler.stage_move WHERE step = %(step)s"

# The newest run that judged the step, if it began after the move: runs say at which epoch they began. By the epoch, not
# by time: the judge's clock is another machine's.
LAST_RUN: LiteralString = """
SELECT run_id::text, coalesce((counts -> 'steps' -> %(step)s ->> 'unknown')::bigint, 0)
           + CASE WHEN coalesce(counts -> 'unknown' ->> %(step)s, '') = '' THEN 0 ELSE 1 END
FROM strangler.reconciliation_run
WHERE jsonb_exists(counts -> 'steps', %(step)s) AND (counts ->> 'epoch')::bigint >= %(epoch)s
ORDER BY started_at DESC LIMIT 1"""

JUDGED_SINCE: LiteralString = """
SELECT owner, count(*) FROM (
    SELECT verdict.owner FROM strangler.ownership JOIN strangler.verdict USING (subject_ref)
    WHERE ownership.epoch >= %(epoch)s AND verdict.step = %(step)s LIMIT %(limit)s
) AS judged GROUP BY owner"""

FINDINGS_NOW: LiteralString = """
SELECT class, count(*) FROM strangler.verdict WHERE step = %(step)s AND class = ANY(%(findings)s) GROUP BY class"""
COUNTS = (JUDGED_SINCE, FINDINGS_NOW)

ADD_STEP: LiteralString = """
INSERT INTO strangler.stage (step, stage, ramp_bp, salt) VALUES (%(step)s, 'legacy', 0, %(salt)s)
ON CONFLICT (step) DO NOTHING RETURNING step"""


@dataclass(frozen=True, slots=True)
class AuditedMove:
    """A move that was made: it began `epoch`. `anyway`: what spoke against it, where it was made all the same."""

    epoch: int
    move: Move
    actor: str
    reason: str
    moved_at: datetime
    anyway: str = ""


def share_stage_lock(connection: PsycopgConnection) -> None:
    """Keep the stages from moving until the caller's transaction ends. For pins: call it, then `read_stages`."""
    connection.execute(SHARE_LOCK, {"key": STAGE_LOCK})


def lock_stages(connection: PsycopgConnection) -> None:
    """Let no pin and no other move in until the caller's transaction ends; `LockNotAvailable` after 5 s."""
    connection.execute(MOVE_LOCK_TIMEOUT)
    connection.execute(MOVE_LOCK, {"key": STAGE_LOCK})


def read_stages(connection: PsycopgConnection, kind: Literal["step", "read"] = "step") -> StageTable:
    """The table as of one snapshot: the steps, whose owners subjects are pinned to, or the reads."""
    sql = READ_STAGES if kind == "step" else READ_STAGES_OF_READS
    return stage_table(connection.execute(sql).fetchall())


def stage_table(rows: Sequence[tuple[Any, ...]]) -> StageTable:
    """Of what `READ_STAGES` found."""
    if not rows:
        raise StranglerError("strangler.epoch has no row, so no subject can be pinned; restore it from a backup")
    return StageTable(
        rows[0][0], [StageRow(step, stage_of(stage), bp, salt) for _, step, stage, bp, salt in rows if step is not None]
    )


def move(
    connection: PsycopgConnection, planned: Move, *, actor: str, reason: str, evidence: Mapping[str, Json] | None = None
) -> int:
    """Make the move in the caller's transaction, which holds `lock_stages`; the epoch that it begins."""
    values = {
        "step": planned.step,
        "from_stage": planned.from_stage.value,
        "to_stage": planned.to_stage.value,
        "from_bp": planned.from_bp,
        "to_bp": planned.to_bp,
    }
    if connection.execute(SET_STAGE, values).rowcount != 1:
        raise StranglerError(
            f"{planned} was planned on a stage that has moved since; take lock_stages, read and plan again"
        )
    (epoch,) = connection.execute(NEXT_EPOCH).fetchone() or (0,)
    told = {"epoch": epoch, "actor": actor, "reason": reason, "evidence": json.dumps(evidence or {})}
    connection.execute(AUDIT, {**values, **told})
    return int(epoch)


def stage_moves(connection: PsycopgConnection, limit: int = 50) -> Sequence[AuditedMove]:
    """The audit, newest first."""
    return [_audited(row) for row in connection.execute(HISTORY, {"limit": limit})]


def last_moves(connection: PsycopgConnection) -> Mapping[str, AuditedMove]:
    """The newest move of each step that has ever moved."""
    return {made.move.step: made for made in map(_audited, connection.execute(LAST_MOVES))}


def last_epoch(connection: PsycopgConnection, step: str) -> int:
    """That its last move began; 0 where it has never moved."""
    (epoch,) = connection.execute(LAST_MOVE, {"step": step}).fetchone() or (0,)
    return int(epoch)


def read_evidence(connection: PsycopgConnection, step: str) -> StageEvidence:
    """What the judge has said of the step since its last move. Reads what may be large: not under `lock_stages`."""
    epoch = last_epoch(connection, step)
    values = {"step": step, "epoch": epoch, "limit": MOST_COUNTED, "findings": [one.value for one in FINDINGS]}
    run, unknown = connection.execute(LAST_RUN, values).fetchone() or ("", 0)
    counts: list[dict[str, int]] = [dict(connection.execute(sql, values).fetchall()) for sql in COUNTS]
    return StageEvidence(step, epoch, run, unknown, *counts)


def ensure_steps(connection: PsycopgConnection, plan: Plan) -> Sequence[str]:
    """One row, at legacy, for each step that has a new side, and each read; the names that were added. Rows that exist
    stay.

    The same for the authority over each resource that the plan declares as shared.
    """
    ensure_authorities(connection, plan.shared)
    steps = [step.name for step in plan.taken_over() if _added(connection, step.name)]
    return [*steps, *ensure_reads(connection, plan.reads)]


def _added(connection: PsycopgConnection, step: str) -> bool:
    return connection.execute(ADD_STEP, {"step": step, "salt": secrets.token_hex(8)}).fetchone() is not None


def _audited(row: tuple[Json, ...]) -> AuditedMove:
    epoch, step, from_stage, from_bp, to_stage, to_bp, actor, reason, moved_at, anyway = row
    made = Move(step, Stage(from_stage), Stage(to_stage), from_bp, to_bp)
    return AuditedMove(epoch, made, actor, reason, moved_at, anyway)
