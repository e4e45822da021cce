"""`strangler migrate`: the toolkit's tables, outbox partitions and the plan's steps; what is there already stays."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from outbox.schema import fresh
from outbox.schema.report import as_data, as_lines, as_script
from strangler.cli.common import Invocation
from strangler.errors import BadInput
from strangler.plan import Plan
from strangler.schema import Target, pending_of, targets_of, upgrade_all
from strangler.store import ensure_steps


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("migrate", help="bring the toolkit's tables to their newest form (expand only)")
    parser.add_argument("--service", metavar="NAME", help="only this context's tables, for a database of its own")
    parser.add_argument("--dry-run", action="store_true", help="print what is pending, change nothing")
    parser.add_argument("--sql", action="store_true", help="print the SQL for an empty database, connect to none")
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Idempotent, in one transaction; a second starter waits for the first."""
    plan, args = invocation.plan(), invocation.args
    targets = _targets(plan, args.service)
    if args.sql:
        statements = [statement for part, schema in targets for statement in fresh(part, schema)]
        invocation.emit({"statements": statements}, [as_script(statements)])
        return 0
    added: list[str] = []
    with invocation.connect() as connection:
        changes = (pending_of if args.dry_run else upgrade_all)(connection, targets)
        if not (args.dry_run or args.service):
            added = list(ensure_steps(connection, plan))
    data = {**as_data(changes, dry_run=args.dry_run), "steps_added": added}
    lines = [*as_lines(changes, dry_run=args.dry_run), *(f"step {name} begins at legacy" for name in added)]
    invocation.emit(data, lines)
    return 0


def _targets(plan: Plan, service: str | None) -> Sequence[Target]:
    if service is None:
        return targets_of(plan)
    context = plan.contexts().get(service)
    if context is None:
        raise BadInput(f"no service {service!r} in plan {plan.name!r}; known: {', '.join(plan.contexts())}")
    return targets_of(context)
