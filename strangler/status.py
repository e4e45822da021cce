"""Where every step is: its stage, its last move, who owns its subjects, what waits, and the next command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, assert_never

from outbox.connection import PsycopgConnection
from strangler.ownership import Ownership
from strangler.plan import Plan
from strangler.stages import Stage, StageRow, spoken
from strangler.store import AuditedMove, last_moves, read_stages
from strangler.subject import Subject

# The header's epoch would make a group of almost every order of a busy hour.
OWNERS: LiteralString = """
SELECT regexp_replace(owners, '^epoch=[0-9]+', 'epoch=0') AS owners, count(*) FROM strangler.ownership GROUP BY 1"""

UNFINISHED: LiteralString = """
SELECT step, count(*) FILTER (WHERE state = 'tombstoned'), count(*) FILTER (WHERE state = 'too_old')
FROM strangler.hand_back WHERE state <> 'done' GROUP BY step"""


@dataclass(frozen=True, slots=True)
class StepStatus:
    """One line. `subjects` by owner; `unfinished` hand-backs were interrupted: nobody acts on them until run again.
    `too_old`: handed back when legacy could not run them any more; nobody has acted on them.
    """

    step: str
    stage: Stage
    ramp_bp: int
    subjects: Mapping[str, int]
    unfinished: int
    too_old: int
    last: AuditedMove | None
    next_command: str


@dataclass(frozen=True, slots=True)
class Status:
    """`strangers`: steps with a stage in the database that the plan does not know."""

    epoch: int
    subjects: int
    steps: Sequence[StepStatus]
    strangers: Sequence[str]


def read_status(connection: PsycopgConnection, plan: Plan) -> Status:
    """Steps in chain order; a step without a new side is legacy."""
    table, last = read_stages(connection), last_moves(connection)
    owned = [(Ownership.from_header(owners), count) for owners, count in connection.execute(OWNERS).fetchall()]
    unfinished = {step: (waiting, old) for step, waiting, old in connection.execute(UNFINISHED).fetchall()}
    steps = []
    for step in plan.steps:
        row = table.row(step.name) or StageRow(step.name, Stage.LEGACY, 0, "")
        subjects: Counter[str] = Counter()
        for ownership, count in owned:
            subjects[ownership.of(step.name).value] += count
        waiting, old = unfinished.get(step.name, (0, 0))
        following = (
            next_command(row, waiting) if step.service is not None else "build its new side, name it in the plan"
        )
        steps.append(
            StepStatus(step.name, row.stage, row.ramp_bp, dict(subjects), waiting, old, last.get(step.name), following)
        )
    known = {step.name for step in plan.steps}
    strangers = [row.step for row in table.rows if row.step not in known]
    return Status(table.epoch, sum(count for _, count in owned), steps, strangers)


def next_command(row: StageRow, unfinished: int) -> str:
    """What one would type next."""
    move = f"strangler advance {row.step}"
    match row.stage:
        case _ if unfinished:
            following = f"strangler hand-back {row.step} --reason ..."
        case Stage.LEGACY:
            following = f"{move} --to shadow --reason ..."
        case Stage.SHADOW:
            following = f"strangler reconcile; {move} --ramp 5% --reason ..."
        case Stage.RAMP if row.ramp_bp < 2_500:
            following = f"strangler reconcile; {move} --ramp 25% --reason ..."
        case Stage.RAMP:
            following = f"strangler reconcile; {move} --to live --reason ..."
        case Stage.LIVE:
            following = "strangler reconcile"
        case Stage.RETIRED:
            following = "none: it is done"
        case _:
            assert_never(row.stage)
    return following


def status_lines(status: Status, subject: Subject) -> list[str]:
    """For people: a table, then what needs attention."""
    width = max(len(step.step) for step in status.steps)
    lines = [f"epoch {status.epoch}, {status.subjects} {subject.plural} pinned"]
    for step in status.steps:
        owners = ", ".join(f"{step.subjects.get(owner, 0)} {owner}" for owner in ("legacy", "shadow", "new"))
        lines.append(f"{step.step:<{width}}  {spoken(step.stage, step.ramp_bp):<12}  {owners}")
        if step.last is not None:
            made = step.last
            when = f"epoch {made.epoch}, {made.moved_at:%Y-%m-%d %H:%M:%S}"
            lines.append(f"{'':<{width}}  last: {when} by {made.actor}: {made.reason}")
        if step.unfinished:
            lines.append(f"{'':<{width}}  {step.unfinished} {subject.plural} wait for an interrupted hand-back")
        if step.too_old:
            lines.append(f"{'':<{width}}  {step.too_old} {subject.plural} were handed back too old for legacy to run")
        lines.append(f"{'':<{width}}  next: {step.next_command}")
    return lines + [
        f"{name} has a stage but is not in the plan: {subject.plural} are still pinned to it"
        for name in status.strangers
    ]
