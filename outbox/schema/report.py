"""Changes as a command tells them: as data, as lines, as a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from outbox.schema.upgrade import Change

UNDO = "undo: none is needed, tables only grow and the previous release runs on them"


def as_data(changes: Iterable[Change], *, dry_run: bool) -> Mapping[str, object]:
    """`revisions` as `SCHEMA.REVISION`, and every statement of every part."""
    told = [change for change in changes if change.statements]
    return {
        "dry_run": dry_run,
        "revisions": [f"{one.schema}.{revision}" for one in told for revision in one.revisions],
        "statements": [statement for one in told for statement in one.statements],
    }


def as_lines(changes: Iterable[Change], *, dry_run: bool) -> Sequence[str]:
    """What a person reads."""
    verb = "would apply" if dry_run else "applied"
    told = [change for change in changes if change.statements]
    lines = [f"{verb} {_named(one)}: {len(one.statements)} statements" for one in told]
    if not lines:
        return ["every table is at its newest revision"]
    return lines if dry_run else [*lines, UNDO]


def as_script(statements: Iterable[str]) -> str:
    """For psql: all of them or none."""
    return "\n".join(["BEGIN;", *(f"{statement.strip()};" for statement in statements), "COMMIT;"])


def _named(change: Change) -> str:
    return f"{', '.join(change.revisions) or 'partitions'} in {change.schema}"
