"""Where every step is: its stage, its last move, who owns its subjects, what waits, and the next command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, assert_never

from outbox.connection import PsycopgConnection
from strangler.ownership import Ownership
from strangler.plan import Plan
from strangler.stages import Stage, StageRow, StageTable, spoken
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
class ReadStatus:
    """Of a read that another application is to answer."""

    read: str
    stage: Stage
    ramp_bp: int
    last: AuditedMove | None
    next_command: str


@dataclass(frozen=True, slots=True)
class Status:
    """`strangers`: steps and reads with a stage in the database that the plan does not know."""

    epoch: int
    subjects: int
    steps: Sequence[StepStatus]
    strangers: Sequence[str]
    reads: Sequence[ReadStatus] = ()


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
    of_reads = read_stages(connection, "read")
    known |= {read.name for read in plan.reads}
    strangers = [row.step for row in (*table.rows, *of_reads.rows) if row.step not in known]
    reads = [_read_status(read.name, of_reads, last) for read in plan.reads]
    return Status(table.epoch, sum(count for _, count in owned), steps, strangers, reads)


def _read_status(read: str, table: StageTable, last: Mapping[str, AuditedMove]) -> ReadStatus:
    row = table.row(read) or StageRow(read, Stage.LEGACY, 0, "")
    return ReadStatus(read, row.stage, row.ramp_bp, last.get(read), next_command(row, 0, f"strangler reads {read}"))


def next_command(row: StageRow, unfinished: int, look: str = "strangler reconcile") -> str:
    """What one would type next; `look` says how the stage does."""
    move = f"strangler advance {row.step}"
    match row.stage:
        case _ if unfinished:
            following = f"strangler hand-back {row.step} --reason ..."
        case Stage.LEGACY:
            following = f"{move} --to shadow --reason ..."
        case Stage.SHADOW:
            following = f"{look}; {move} --ramp 5% --reason ..."
        case Stage.RAMP if row.ramp_bp < 2_500:
            following = f"{look}; {move} --ramp 25% --reason ..."
        case Stage.RAMP:
            following = f"{look}; {move} --to live --reason ..."
        case Stage.LIVE:
            following = look
        case Stage.RETIRED:
            following = "none: it is done"
        case _:
            assert_never(row.stage)
    return following


def status_lines(status: Status, subject: Subject) -> list[str]:
    """For people: a table, then what needs attention."""
    width = max(len(name) for name in (*(one.step for one in status.steps), *(one.read for one in status.reads)))
    lines = [f"epoch {status.epoch}, {status.subjects} {subject.plural} pinned"]
    for step in status.steps:
        owners = ", ".join(f"{step.subjects.get(owner, 0)} {owner}" for owner in ("legacy", "shadow", "new"))
        lines.append(f"{step.step:<{width}}  {spoken(step.stage, step.ramp_bp):<12}  {owners}")
        lines += _last(step.last, width)
        if step.unfinished:
            lines.append(f"{'':<{width}}  {step.unfinished} {subject.plural} wait for an interrupted hand-back")
        if step.too_old:
            lines.append(f"{'':<{width}}  {step.too_old} {subject.plural} were handed back too old for legacy to run")
        lines.append(f"{'':<{width}}  next: {step.next_command}")
    for read in status.reads:
        lines.append(f"{read.read:<{width}}  {spoken(read.stage, read.ramp_bp):<12}  reads")
        lines += _last(read.last, width)
        lines.append(f"{'':<{width}}  next: {read.next_command}")
    return lines + [
        f"{name} has a stage but is not in the plan: {subject.plural} are still pinned to it"
        for name in status.strangers
    ]


def _last(made: AuditedMove | None, width: int) -> list[str]:
    if made is None:
        return []
    when = f"epoch {made.epoch}, {made.moved_at:%Y-%m-%d %H:%M:%S}"
    return [f"{'':<{width}}  last: {when} by {made.actor}: {made.reason}"]
