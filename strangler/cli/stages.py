"""The verbs that look at stages and move them: status, history, advance, rollback, hand-back."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal

from outbox import flags
from outbox.fault_points import FaultPoints
from strangler.cli.common import Invocation, audited, refuse
from strangler.errors import Refused
from strangler.hand_back import HandBack, count_unstarted, hand_back
from strangler.moves import Moved, advance, rollback
from strangler.ownership import BUCKETS
from strangler.plan import Step
from strangler.stages import Stage
from strangler.status import read_status, status_lines
from strangler.store import AuditedMove, stage_moves
from strangler.subject import Subject

Subparsers = argparse._SubParsersAction
STAGES = [stage.value for stage in Stage]


def register(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    subparsers.add_parser("status", help="where each step and read is, and the next command").set_defaults(
        run=run_status
    )
    history = subparsers.add_parser("history", help="the audit of moves, newest first")
    history.add_argument("--limit", type=flags.count, default=50, help="moves to show (default 50)")
    history.set_defaults(run=run_history)
    forward = _mover(subparsers, "advance", "move a step or a read to its next stage, or change its ramp")
    forward.add_argument("--ramp", type=basis_points, metavar="5%|500bp", help="share of subjects for the new side")
    forward.add_argument("--to", type=str, choices=STAGES[1:], help="the next stage (default)")
    forward.add_argument(
        "--anyway",
        action="store_true",
        help="move also where it has not been compared since its last move, or something was found",
    )
    forward.set_defaults(run=run_advance)
    back = _mover(subparsers, "rollback", "move a step or a read one stage back, or all the way to --to")
    back.add_argument("--to", type=str, choices=STAGES[:3], help="how far back (default: one stage)")
    back.set_defaults(run=run_rollback)
    returned = _mover(
        subparsers, "hand-back", "give subjects that the new side has not started to legacy", "a step of the plan"
    )
    returned.add_argument(
        "--timeout", type=flags.seconds(), default=30.0, metavar="S", help="seconds to try (default 30)"
    )
    returned.set_defaults(run=run_hand_back)


def run_status(invocation: Invocation) -> int:
    plan = invocation.plan()
    with invocation.connect() as connection:
        status = read_status(connection, plan)
    invocation.emit(asdict(status), status_lines(status, plan.subject))
    return 0


def run_history(invocation: Invocation) -> int:
    with invocation.connect() as connection:
        moves = stage_moves(connection, invocation.args.limit)
    invocation.emit({"moves": [asdict(made) for made in moves]}, _history_lines(moves))
    return 0


def run_advance(invocation: Invocation) -> int:
    args, plan = invocation.args, invocation.plan()
    to = Stage(args.to) if args.to else Stage.RAMP if args.ramp is not None else None
    told = {"actor": invocation.actor, "reason": args.reason, "dry_run": args.dry_run, "anyway": args.anyway}
    plan.movable(args.step)
    with invocation.connect() as connection:
        moved = advance(connection, plan, args.step, to=to, ramp_bp=args.ramp, **told)
    return _tell(invocation, moved)


def run_rollback(invocation: Invocation) -> int:
    args, plan = invocation.args, invocation.plan()
    to = Stage(args.to) if args.to else None
    told = {"actor": invocation.actor, "reason": args.reason}
    of_step = isinstance(plan.movable(args.step), Step)
    with invocation.connect() as connection:
        moved = rollback(connection, plan, args.step, to=to, dry_run=args.dry_run, **told)
    pinned = f"{plan.subject.plural} pinned before, not started yet: strangler hand-back {args.step} --reason ..."
    following = pinned if of_step else "every facade follows within a second"
    return _tell(invocation, moved, following)


def run_hand_back(invocation: Invocation) -> int:
    """Exit 1 when subjects are left that could not be handed back."""
    args, plan, environ = invocation.args, invocation.plan(), invocation.environ
    plan.step(args.step)
    if args.dry_run:
        count = count_unstarted(plan, environ, args.step)
        invocation.emit(
            {"dry_run": True, "unstarted": count},
            [f"would hand back up to {count} {plan.subject.plural} of {args.step}"],
        )
        return 0
    outcome = hand_back(
        plan,
        environ,
        args.step,
        actor=invocation.actor,
        reason=args.reason,
        timeout_s=args.timeout,
        fault_points=FaultPoints.from_environ(environ),
    )
    invocation.emit(asdict(outcome), _hand_back_lines(outcome, plan.subject))
    return 1 if outcome.failed or outcome.too_old else 0


def basis_points(text: str) -> int:
    """`5%`, `2.5%` or `500bp`; a bare number would be a guess."""
    for unit, factor in (("%", 100), ("bp", 1)):
        if text.endswith(unit):
            try:
                value = Decimal(text.removesuffix(unit)) * factor
            except ArithmeticError:  # also what overflows
                break
            if value == value.to_integral_value() and 0 <= value <= BUCKETS:
                return int(value)
    raise argparse.ArgumentTypeError(f"{text!r} is no share from 0% to 100%; write 5%, 2.5% or 500bp")


def _mover(
    subparsers: Subparsers[argparse.ArgumentParser], name: str, what: str, named: str = "a step or read of the plan"
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(name, help=what, description=what)
    parser.add_argument("step", metavar="STEP", help=named)
    audited(parser)
    return parser


def _tell(invocation: Invocation, moved: Moved | Refused, after: str | None = None) -> int:
    if isinstance(moved, Refused):
        raise refuse(moved)
    dry_run = invocation.args.dry_run
    lines = (
        [f"would move {move}" for move in moved.moves]
        if dry_run
        else [f"moved {move}, epoch {epoch}" for move, epoch in zip(moved.moves, moved.epochs, strict=True)]
    )
    lines += [moved.evidence] if moved.evidence else []
    lines += [f"anyway: {moved.anyway}"] if moved.anyway else []
    lines += [after] if after and not dry_run else []
    invocation.emit({"dry_run": dry_run, **asdict(moved)}, [*lines, f"undo: {moved.undo}"])
    return 0


def _history_lines(moves: Sequence[AuditedMove]) -> list[str]:
    lines: list[str] = []
    for made in moves:
        lines.append(f"{made.epoch:>6}  {made.moved_at:%Y-%m-%d %H:%M:%S}  {made.move}  by {made.actor}: {made.reason}")
        lines += [f"{'':>8}anyway: {made.anyway}"] if made.anyway else []
    return lines or ["no step has moved yet"]


def _hand_back_lines(outcome: HandBack, subject: Subject) -> list[str]:
    lines = [
        f"{outcome.handed_back} {subject.plural} handed back to legacy, which has acted on them",
        f"{outcome.started} had been started: the new side finishes them",
    ]
    if outcome.not_committed:
        lines.append(
            f"{outcome.not_committed} are pinned but not placed: if they come, the new side acts; run again to see"
        )
    if outcome.too_old:
        lines.append(
            f"{outcome.too_old} are TOO OLD: the events that {outcome.step} is run from are gone, and nobody acts; see "
            f"the rows of strangler.hand_back in state too_old, and settle them with the business "
            "(docs/reference/hand-back.md#what-can-become-of-a-subject)"
        )
    if outcome.failed:
        lines.append(f"{outcome.failed} FAILED or were not reached in time; run again: it goes on where it stopped")
    if outcome.stage is Stage.LIVE:
        lines.append(f"{outcome.step} is live, so only interrupted hand-backs were finished; roll back to return more")
    return [*lines, subject.words("undo: none; a subject that was handed back stays with legacy")]
