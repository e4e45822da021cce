"""`strangler authority`: who keeps what subjects share, and the audited move of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from outbox.connection import PsycopgConnection
from outbox.fault_points import FaultPoints
from strangler.cli.common import Invocation, audited, refuse
from strangler.errors import BadInput, Refused
from strangler.plan import Plan
from strangler.shared_state import (
    AuditedAuthority,
    AuthorityMoved,
    Holder,
    WantedMove,
    authorities,
    authority_moves,
    move,
    tally,
)
from strangler.step.intents import Json

EPILOG = "exit: 0 done, 1 refused, 2 usage, 3 a dependency is down"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    what = "who keeps what subjects share, such as stock, and the move of it"
    verbs = subparsers.add_parser("authority", help=what, description=what, epilog=EPILOG).add_subparsers(
        required=True, metavar="VERB", dest="authority_verb"
    )
    verbs.add_parser("show", help="each shared resource, its holder, its numbers, its last moves").set_defaults(
        run=show
    )
    mover = verbs.add_parser("move", help="copy, catch up, fence, compare, switch; audited", epilog=EPILOG)
    mover.add_argument("resource", metavar="RESOURCE", help="a shared resource of the plan")
    mover.add_argument("--to", required=True, choices=[holder.value for holder in Holder], help="who is to keep it")
    audited(mover, dry_run="try the copy and undo it, move nothing")
    mover.set_defaults(run=run_move)


def show(invocation: Invocation) -> int:
    plan = invocation.plan()
    with invocation.connect() as connection:
        resources = [_shown(connection, plan, name) for name in _resources(plan)]
        moves = authority_moves(connection)
    lines = [line for one in resources for line in _resource_lines(one)] or ["the plan declares nothing as shared"]
    invocation.emit(
        {"resources": resources, "moves": [asdict(made) for made in moves]},
        [*lines, *map(_move_line, moves)],
    )
    return 0


def run_move(invocation: Invocation) -> int:
    """Exit 1 when it is refused; then nothing has moved."""
    args, plan, environ = invocation.args, invocation.plan(), invocation.environ
    shared = plan.shared.get(args.resource)
    if shared is None:
        known = ", ".join(sorted(plan.shared)) or "none"
        raise BadInput(f"the plan declares no shared {args.resource!r}; declared: {known}")
    wanted = WantedMove(
        args.resource, shared, plan.steps_of(args.resource), Holder(args.to), invocation.actor, args.reason
    )
    with invocation.connect() as connection:
        moved = move(connection, wanted, dry_run=args.dry_run, fault_points=FaultPoints.from_environ(environ))
    if isinstance(moved, Refused):
        raise refuse(moved)
    lines = _dry_lines(moved) if args.dry_run else _moved_lines(moved)
    invocation.emit({"dry_run": args.dry_run, **asdict(moved)}, [*lines, f"undo: {moved.undo}"])
    return 0


def _resources(plan: Plan) -> Sequence[str]:
    """Declared ones, and those that a step only names."""
    return sorted({*plan.shared, *(name for step in plan.steps for name in step.shared)})


def _shown(connection: PsycopgConnection, plan: Plan, name: str) -> dict[str, Json]:
    held, shared = authorities(connection).get(name), plan.shared.get(name)
    holder = held.holder if held else Holder.LEGACY
    return {
        "resource": name,
        "what": shared.what if shared else None,
        "declared": shared is not None,
        "in_database": held is not None,
        "holder": holder.value,
        "epoch": held.epoch if held else None,
        "steps": list(plan.steps_of(name)),
        "tally": dict(tally(connection, shared, holder)) if shared else None,
    }


def _resource_lines(one: dict[str, Json]) -> Sequence[str]:
    name, steps = one["resource"], ", ".join(one["steps"])
    if not one["declared"]:
        return [f"{name}: written by {steps}, but the plan does not declare how it is shared"]
    epoch = f", epoch {one['epoch']}" if one["in_database"] else ", not in this database: run `strangler migrate`"
    return [f"{name} ({one['what']}): kept by {one['holder']}{epoch}; {_spoken(one['tally'])}; needed by {steps}"]


def _dry_lines(moved: AuthorityMoved) -> Sequence[str]:
    rows = moved.evidence["rounds"][0]["rows"]
    return [f"would move {moved.resource}: {moved.from_holder} -> {moved.to_holder}; {rows} rows to copy"]


def _moved_lines(moved: AuthorityMoved) -> Sequence[str]:
    rows = [one["rows"] for one in moved.evidence["rounds"]]
    sums, fenced_ms = moved.evidence["sums"][moved.to_holder], moved.evidence["fenced_ms"]
    return [
        f"moved {moved.resource}: {moved.from_holder} -> {moved.to_holder}, epoch {moved.epoch}",
        f"copied {sum(rows)} rows in {len(rows)} rounds, {rows[-1]} of them under the fence, in {fenced_ms} ms",
        f"both sides count {_spoken(sums)}",
    ]


def _spoken(numbers: Json) -> str:
    return ", ".join(f"{value} {name}" for name, value in numbers.items())


def _move_line(made: AuditedAuthority) -> str:
    return (
        f"{made.epoch:>6}  {made.moved_at:%Y-%m-%d %H:%M:%S}  {made.resource}: {made.from_holder} -> {made.to_holder}"
        f"  by {made.actor}: {made.reason}"
    )
