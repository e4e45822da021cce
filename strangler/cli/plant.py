"""`strangler plant KIND`: spoil something on purpose, to see whether `strangler reconcile` finds it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from outbox import flags
from strangler.cli.common import Invocation
from strangler.cli.run import runnable
from strangler.errors import BadInput
from strangler.planting.held import STUCK, hold_claim
from strangler.planting.kinds import KINDS, plant
from strangler.planting.opened import opened
from strangler.planting.world import Planted
from strangler.service.declaration import Service

EPILOG = "data is spoilt for good: use one that nobody needs. exit: 0 planted, 1 nothing to spoil, 2 usage, 3 down"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("plant", help="spoil something that reconcile must find", epilog=EPILOG)
    parser.add_argument("kind", choices=[*KINDS, STUCK], metavar="KIND", help=", ".join([*KINDS, STUCK]))
    parser.add_argument("--step", required=True, help="whose")
    parser.add_argument("--database", required=True, metavar="NAME", help="the database that may be spoilt")
    parser.add_argument("--ref", help=f"instead of a random subject; {STUCK} needs one that is still to come")
    parser.add_argument("--seed", type=flags.seed, help="for the same choice again")
    parser.add_argument("--reason", required=True, help="why, for whoever reads the output")
    parser.add_argument("--dry-run", action="store_true", help="say what would be spoilt, spoil nothing")
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Prints what was done to whom, and the verdict that it must get. The stuck event is held until SIGTERM."""
    arguments = invocation.args
    service = runnable(invocation.plan(), arguments.step)
    if not isinstance(service, Service):
        raise BadInput(f"{arguments.step!r} is no step's service; nothing of it is judged")
    with opened(
        service, invocation.environ, subject_ref=arguments.ref, seed=arguments.seed, dry_run=arguments.dry_run
    ) as world:
        name = world.main.info.dbname
        if name != arguments.database:
            raise BadInput(f"STRANGLER_DSN names database {name!r}, not {arguments.database!r}; nothing was spoilt")
        if arguments.kind != STUCK:
            _say(invocation, plant(arguments.kind, world))
            return 0
        if not arguments.ref:
            raise BadInput(f"{STUCK} needs --ref: the reference of a subject that is still to come")
        hold_claim(world, arguments.ref, lambda planted: _say(invocation, planted))
    return 0


def _say(invocation: Invocation, planted: Planted) -> None:
    args, whom = invocation.args, f"{planted.subject_ref} {planted.number}"
    would = "would plant " if args.dry_run else ""
    line = f"{would}{planted.kind} in {planted.step}: {whom}; must be {planted.expected_verdict.upper()}; {args.reason}"
    data = {**asdict(planted), "reason": args.reason, "dry_run": args.dry_run}
    print(json.dumps(data) if getattr(args, "json", False) else line, flush=True)
