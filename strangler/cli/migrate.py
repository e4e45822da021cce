"""`strangler migrate`: the toolkit's tables, outbox partitions and the plan's steps; what is there already stays."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from outbox.schema import fresh
from outbox.schema.report import as_data, as_lines, as_script
from strangler.cli.common import Invocation
from strangler.errors import BadInput
from strangler.plan import Plan
from strangler.schema import (
    Granted,
    PlacedPart,
    Role,
    grant,
    pending_of,
    roles_of,
    statements_of,
    targets_of,
    upgrade_all,
)
from strangler.store import ensure_steps


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("migrate", help="bring the toolkit's tables to their newest form (expand only)")
    parser.add_argument("--service", metavar="NAME", help="only this context's tables, and the outbox that it emits to")
    parser.add_argument("--dry-run", action="store_true", help="print what is pending, change nothing")
    parser.add_argument("--sql", action="store_true", help="print the SQL for an empty database, connect to none")
    parser.add_argument(
        "--roles",
        nargs="?",
        const="",
        metavar="PREFIX",
        help="make a role for each kind of process too, PREFIX_relay and so on (default: the plan's name)",
    )
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Idempotent, in one transaction; a second starter waits for the first."""
    plan, args = invocation.plan(), invocation.args
    targets, roles = _targets(plan, args.service), _roles(plan, args)
    if args.sql:
        statements = [statement for part, schema in targets for statement in fresh(part, schema)]
        statements += statements_of(roles)
        invocation.emit({"statements": statements}, [as_script(statements)])
        return 0
    added: list[str] = []
    with invocation.connect() as connection:
        # Rights need tables: with roles a dry run does everything, and takes it back.
        changes = (pending_of if args.dry_run and not roles else upgrade_all)(connection, targets)
        granted = grant(connection, roles)
        if args.dry_run:
            connection.rollback()
        elif not args.service:
            added = list(ensure_steps(connection, plan))
    data = as_data(changes, dry_run=args.dry_run)
    told = {"steps_added": added, "roles_added": granted.added, "rights_changed": granted.rights_changed}
    steps = [f"step {name} begins at legacy" for name in added]
    lines = [*as_lines(changes, dry_run=args.dry_run), *_role_lines(granted, dry_run=args.dry_run), *steps]
    invocation.emit({**data, **told}, lines)
    return 0


def _roles(plan: Plan, args: argparse.Namespace) -> Sequence[Role]:
    if args.roles is None:
        return []
    if args.service:
        raise BadInput("--roles and --service do not go together: roles are of the whole plan; leave one out")
    return roles_of(plan, args.roles or plan.name)


def _role_lines(granted: Granted, *, dry_run: bool) -> Sequence[str]:
    made = [f"{'would make' if dry_run else 'made'} the role {name}" for name in granted.added]
    if made and not dry_run:
        made.append(r"they have no password: set one by \password in psql; undo: DROP OWNED BY and DROP ROLE")
    if made or not granted.rights_changed:
        return made
    return ["rights are missing, and would be granted" if dry_run else "rights were missing, and are granted"]


def _targets(plan: Plan, service: str | None) -> Sequence[PlacedPart]:
    if service is None:
        return targets_of(plan)
    context = plan.contexts().get(service)
    if context is None:
        raise BadInput(f"no service {service!r} in plan {plan.name!r}; known: {', '.join(plan.contexts())}")
    return targets_of(context)
