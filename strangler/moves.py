"""Moving a step forward or back: each call is one transaction of its own, and says how to undo it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import psycopg
from psycopg.pq import TransactionStatus

from outbox.connection import PsycopgConnection
from strangler import store
from strangler.errors import Refused, StranglerError
from strangler.plan import Plan, Step
from strangler.reads.read_evidence import ReadEvidence
from strangler.reads.table import evidence_of
from strangler.shared_state import Holder, authorities
from strangler.stage_evidence import StageEvidence, needs_evidence
from strangler.stages import ORDER, PLACE, Move, Stage, StageRow, StageTable, plan_move
from strangler.step.backfill import is_backfilled
from strangler.told import told
from strangler.undo import undo_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """What a call moved: neighbour moves in order, the epoch that each began (none in a dry run), how to undo it.

    `evidence`: what spoke for it, in words; `anyway`: what was lacking. Both are "" where none is needed.
    """

    step: str
    moves: Sequence[Move]
    epochs: Sequence[int]
    undo: str
    evidence: str = ""
    anyway: str = ""


ACTING = (Stage.RAMP, Stage.LIVE, Stage.RETIRED)  # the new side acts on some subject
SAY_HOW_IT_IS_SHARED = (
    "declare in the plan's `shared` how it is copied and counted; both owners write it one way "
    "(docs/explanation/ownership.md#owning-a-subject-is-not-owning-what-it-shares)"
)


@dataclass(frozen=True, slots=True)
class _Planned:
    """Moves, and what the audit keeps beside each."""

    moves: Sequence[Move]
    evidence: StageEvidence | ReadEvidence | None = None
    anyway: Refused | None = None


Planner = Callable[[StageRow], _Planned | Refused]


def advance(
    connection: PsycopgConnection,
    plan: Plan,
    step: str,
    *,
    to: Stage | None = None,
    ramp_bp: int | None = None,
    actor: str,
    reason: str,
    dry_run: bool = False,
    anyway: bool = False,
) -> Moved | Refused:
    """Move one stage forward, or change the ramp; COMMITS a transaction of its own.

    Without `to`: the next stage, or at ramp with `ramp_bp` the ramp. `connection` must not be in a transaction. What
    gives the new side more than it has is refused where the judge has not compared the step since its last move, or has
    found something; `anyway` goes on, and the audit keeps what was lacking. Of a read the facade's comparisons count.
    """
    moved = plan.movable(step)
    _idle(connection)
    with connection.transaction():
        evidence = store.read_evidence(connection, step) if isinstance(moved, Step) else evidence_of(connection, moved)

    def planner(row: StageRow) -> _Planned | Refused:
        moves = _forward(row, to, ramp_bp)
        if isinstance(moves, Refused):
            return moves
        refused = None
        if isinstance(moved, Step):
            refused = _history_in_place(connection, plan, step, row) or _shared_in_place(connection, plan, step, moves)
        if refused is not None or not needs_evidence(moves[0]):
            return refused or _Planned(moves)
        if store.last_epoch(connection, step) != evidence.epoch:
            return Refused(f"{step} was moved while its evidence was read", "see `strangler status`, and ask again")
        lacking = evidence.lacking(moves[0])
        if lacking is not None:
            lacking = Refused(plan.subject.words(lacking.reason), plan.subject.words(lacking.next_step))
        return lacking if lacking is not None and not anyway else _Planned(moves, evidence, lacking)

    return _commit_moves(connection, plan, step, planner, actor=actor, reason=reason, dry_run=dry_run)


def rollback(
    connection: PsycopgConnection,
    plan: Plan,
    step: str,
    *,
    to: Stage | None = None,
    actor: str,
    reason: str,
    dry_run: bool = False,
) -> Moved | Refused:
    """Move one stage back, or all the way to `to`; COMMITS a transaction of its own.

    From live the step lands on a ramp of 0: no new subject goes to the new side from then on. Stages in between are
    passed as audited moves, each with its epoch. Orders that are pinned already are not touched: see `hand_back`.
    """

    def planner(row: StageRow) -> _Planned | Refused:
        moves = _backward(row, to)
        return moves if isinstance(moves, Refused) else _Planned(moves)

    return _commit_moves(connection, plan, step, planner, actor=actor, reason=reason, dry_run=dry_run)


def _forward(row: StageRow, to: Stage | None, ramp_bp: int | None) -> Sequence[Move] | Refused:
    target = to if to is not None else _next(row, ramp_bp)
    if isinstance(target, Refused):
        return target
    if PLACE[target] < PLACE[row.stage]:
        return Refused(
            f"{row.step} is {row.stage}; {target} lies behind it", f"`strangler rollback {row.step} --to {target}`"
        )
    planned = plan_move(row, target, ramp_bp)
    return planned if isinstance(planned, Refused) else [planned]


def _shared_in_place(connection: PsycopgConnection, plan: Plan, step: str, moves: Sequence[Move]) -> Refused | None:
    """The new side gets no subject while what subjects share has no one writer of record, or a retired one."""
    resources = plan.step(step).shared if any(move.to_stage in ACTING for move in moves) else ()
    held = authorities(connection) if resources else {}
    for resource in resources:
        if resource not in plan.shared:
            return Refused(f"{step} writes {resource!r}, which the plan does not declare", SAY_HOW_IT_IS_SHARED)
        if resource not in held:
            return Refused(f"nobody has authority over {resource!r} in this database", "`strangler migrate` adds it")
        if moves[-1].to_stage is Stage.RETIRED and held[resource].holder is Holder.LEGACY:
            return Refused(
                f"{resource!r} is still with legacy", f"`strangler authority move {resource} --to new` comes first"
            )
    return None


def _history_in_place(connection: PsycopgConnection, plan: Plan, step: str, row: StageRow) -> Refused | None:
    """A shadow begins with the subjects from before it, where the step needs them."""
    if row.stage is not Stage.LEGACY or not plan.step(step).history or is_backfilled(connection, step):
        return None
    return Refused(
        f"{step} needs the subjects from before its shadow, and they have not been backfilled to the end",
        f"`strangler backfill {step}`, then advance again",
    )


def _next(row: StageRow, ramp_bp: int | None) -> Stage | Refused:
    if row.stage is Stage.RAMP and ramp_bp is not None:
        return Stage.RAMP
    if row.stage is Stage.LIVE:
        return Refused(
            f"{row.step} is live; retired has no way back", f"say it: `strangler advance {row.step} --to retired`"
        )
    return ORDER[min(PLACE[row.stage] + 1, len(ORDER) - 1)]


def _backward(row: StageRow, to: Stage | None) -> Sequence[Move] | Refused:
    if row.stage is Stage.LEGACY:
        return Refused(f"{row.step} is legacy: there is nothing behind it", "nothing to do; see `strangler status`")
    target = to if to is not None else ORDER[PLACE[row.stage] - 1]
    if PLACE[target] > PLACE[row.stage]:
        return Refused(
            f"{row.step} is {row.stage}; {target} lies ahead of it", f"`strangler advance {row.step} --to {target}`"
        )
    moves: list[Move] = []
    while not moves or row.stage is not target:
        behind = row.stage if row.stage is target else ORDER[PLACE[row.stage] - 1]
        planned = plan_move(row, behind, 0 if behind is Stage.RAMP else None)
        if isinstance(planned, Refused):
            return planned
        moves.append(planned)
        row = StageRow(row.step, planned.to_stage, planned.to_bp, row.salt)
    return moves


def _commit_moves(
    connection: PsycopgConnection, plan: Plan, step: str, planner: Planner, *, actor: str, reason: str, dry_run: bool
) -> Moved | Refused:
    told(actor, reason)
    moved = plan.movable(step)
    if isinstance(moved, Step) and moved.service is None:
        return Refused(f"nobody has built {step}'s new side", "give the step a service and a check in the plan")
    _idle(connection)
    try:
        with connection.transaction():
            store.lock_stages(connection)
            found = _planned(
                store.read_stages(connection, "step" if isinstance(moved, Step) else "read"), step, planner
            )
            if isinstance(found, Refused):
                return found
            moves, evidence = found.moves, found.evidence
            kept = None if evidence is None else evidence.to_json(found.anyway)
            make = partial(store.move, connection, actor=actor, reason=reason, evidence=kept)
            epochs = [make(planned) for planned in moves if not dry_run]
    except psycopg.errors.LockNotAvailable:
        return Refused("the stages were not free to move for 5 s", "find the transaction that holds them: pg_locks")
    for planned, epoch in zip(moves, epochs, strict=False):
        logger.info(
            "stage_moved", extra={"step": step, "to_stage": planned.to_stage, "to_bp": planned.to_bp, "epoch": epoch}
        )
    anyway = "" if found.anyway is None else found.anyway.reason
    said = "" if evidence is None else str(evidence)
    return Moved(step, moves, epochs, undo_of(moves), said, anyway)


def _idle(connection: PsycopgConnection) -> None:
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise StranglerError("a move commits its own transaction; commit or roll back the connection's first")


def _planned(table: StageTable, step: str, planner: Planner) -> _Planned | Refused:
    row = table.row(step)
    if row is None:
        return Refused(
            f"{step} has no stage in this database", "`strangler migrate` gives each step and read of the plan one"
        )
    return planner(row)
