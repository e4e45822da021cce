"""`strangler mode declare | end | list | show`: states of the business, by whom the plan names, for a time."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from outbox import flags
from strangler.cli.common import Invocation, audited, refuse
from strangler.errors import BadInput, Refused
from strangler.flows.mode_changes import ModeChange, mode_changes
from strangler.flows.places import judge
from strangler.modes.declared import Mode
from strangler.modes.table import AuditedMode, declare, end, history, read_held
from strangler.plan import Plan
from strangler.pressure.figures import spoken_s
from strangler.told import told

EPILOG = "exit: 0 done, 1 refused, 2 usage, 3 the database is down"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    what = "states of the business that people declare, such as a peak, and what each changes"
    verbs = subparsers.add_parser("mode", help=what, description=what, epilog=EPILOG).add_subparsers(
        required=True, metavar="VERB", dest="mode_verb"
    )
    declaring = verbs.add_parser("declare", help="it holds from now on, for a time; audited", epilog=EPILOG)
    declaring.add_argument("mode", metavar="MODE", help="a mode of the plan")
    declaring.add_argument(
        "--for", dest="for_s", required=True, type=flags.duration, metavar="2h", help="then it ends by itself"
    )
    audited(declaring)
    declaring.set_defaults(run=run_declare)
    ending = verbs.add_parser("end", help="the mode that holds ends now; audited", epilog=EPILOG)
    audited(ending)
    ending.set_defaults(run=run_end)
    listing = verbs.add_parser("list", help="which holds, which there are, and who declared one when")
    listing.add_argument("--limit", type=flags.count, default=20, help="of the audit, newest first (default 20)")
    listing.set_defaults(run=run_list)
    showing = verbs.add_parser("show", help="what a mode changes, at the edge and in every context")
    showing.add_argument("mode", metavar="MODE", nargs="?", help="a mode of the plan (default: all)")
    showing.set_defaults(run=run_show)


def run_declare(invocation: Invocation) -> int:
    """Exit 1 where it is refused."""
    args, plan = invocation.args, invocation.plan()
    mode, said = _mode(plan, args.mode), told(invocation.actor, args.reason)
    changes = _changes(plan, mode)
    with invocation.connect() as connection, connection.transaction(force_rollback=args.dry_run):
        until = declare(connection, mode, args.for_s, said)
    if isinstance(until, Refused):
        raise refuse(until)
    data = {"mode": mode.name, "until": until.isoformat(), "dry_run": args.dry_run}
    would_hold = "would hold" if args.dry_run else "holds"
    lines = [
        f"{mode.name} {would_hold} until {until:%Y-%m-%d %H:%M:%S %Z}, for {spoken_s(args.for_s)}",
        *(f"  {change}" for change in changes),
        "undo: strangler mode end --reason ...",
    ]
    invocation.emit({**data, "changes": [asdict(change) for change in changes]}, lines)
    return 0


def run_end(invocation: Invocation) -> int:
    """Exit 1 where none holds."""
    args, said = invocation.args, told(invocation.actor, invocation.args.reason)
    with invocation.connect() as connection, connection.transaction(force_rollback=args.dry_run):
        ended = end(connection, said)
    if ended is None:
        raise refuse(Refused("no mode holds", "see `strangler mode list`"))
    lines = [f"{ended} {'would end' if args.dry_run else 'has ended'}", f"undo: strangler mode declare {ended} ..."]
    invocation.emit({"mode": ended, "dry_run": args.dry_run}, lines)
    return 0


def run_list(invocation: Invocation) -> int:
    plan = invocation.plan(services=False)
    with invocation.connect() as connection:
        held, made = read_held(connection), history(connection, invocation.args.limit)
    lines = ["no mode holds" if held is None else f"{held.mode} holds, for {spoken_s(held.for_s)} more"]
    lines += [_declared(one) for one in plan.modes] or ["the plan declares no mode; docs/reference/modes.md"]
    data = {
        "holds": None if held is None else asdict(held),
        "modes": [asdict(one) for one in plan.modes],
        "history": [asdict(one) for one in made],
    }
    invocation.emit(data, [*lines, *map(_made, made)])
    return 0


def run_show(invocation: Invocation) -> int:
    plan, name = invocation.plan(), invocation.args.mode
    chosen = [_mode(plan, name)] if name else plan.modes
    changes = {one.name: _changes(plan, one) for one in chosen}
    lines = [line for one in chosen for line in (_declared(one), *(f"  {each}" for each in changes[one.name]))]
    data = [{**asdict(one), "changes": [asdict(each) for each in changes[one.name]]} for one in chosen]
    invocation.emit({"modes": data}, lines or ["the plan declares no mode"])
    return 0


def _mode(plan: Plan, name: str) -> Mode:
    for one in plan.modes:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in plan.modes) or "none"
    raise BadInput(f"plan {plan.name!r} has no mode {name!r}; it has: {known}")


def _changes(plan: Plan, mode: Mode) -> list[ModeChange]:
    return list(mode_changes(plan.admission, judge(plan).placed, mode))


def _declared(mode: Mode) -> str:
    who = " or ".join(mode.declared_by) or "whoever has the rights in the database"
    return f"{mode.name}: for {spoken_s(mode.longest_s)} at most, declared by {who}"


def _made(made: AuditedMode) -> str:
    ended = f", ended by {made.ended_by}: {made.ended_for}" if made.ended_by else ""
    when = f"{made.declared_at:%Y-%m-%d %H:%M:%S} to {made.until:%Y-%m-%d %H:%M:%S}"
    return f"{when}  {made.mode}  by {made.actor}: {made.reason}{ended}"
