"""`strangler migrate`: tables, outbox partitions and the plan's steps; what is there already stays."""

from __future__ import annotations

import argparse

from outbox import partitions
from strangler.cli.common import Invocation
from strangler.migrate import upgrade
from strangler.store import ensure_steps


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("migrate", help="bring the database to the newest tables (expand only)")
    parser.add_argument("--dry-run", action="store_true", help="print what is pending, change nothing")
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Idempotent; a second starter waits for the first."""
    plan, dsn = invocation.plan(), invocation.settings.required_dsn()
    dry_run = invocation.args.dry_run
    revisions = upgrade(dsn, plan.branches, dry_run=dry_run)
    added: list[str] = []
    if not dry_run:
        with invocation.connect() as connection:
            partitions.ensure(connection)
            added = list(ensure_steps(connection, plan))
    data = {"dry_run": dry_run, "revisions": revisions, "steps_added": added}
    invocation.emit(data, _lines(revisions, added, dry_run=dry_run))
    return 0


def _lines(revisions: list[str], added: list[str], *, dry_run: bool) -> list[str]:
    said = "would apply" if dry_run else "applied"
    lines = [f"{said} {revision}" for revision in revisions] or ["every branch is at its newest revision"]
    lines += [f"step {name} begins at legacy" for name in added]
    if revisions and not dry_run:
        lines.append("undo: restore a backup; expand revisions need none, the previous release runs on them")
    return lines
