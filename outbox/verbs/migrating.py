"""`outbox migrate`: the outbox table, or a consumer's tables in a schema; what is there already stays."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import connect
from outbox.schema import Part, fresh, pending, upgrade
from outbox.schema.parts import CONSUMER, OUTBOX
from outbox.schema.report import as_data, as_lines, as_script
from outbox.verbs.adding import Verbs, add
from outbox.verbs.call import Call

NO_LIMITS = ""  # the migration bounds its own waits, and may take long


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "migrate", migrate, "make or extend the outbox's tables, or a consumer's")
    parser.add_argument("--consumer", action="append", metavar="SCHEMA", help="a consumer's tables instead, there")
    parser.add_argument("--dry-run", action="store_true", help="print what is pending, change nothing")
    parser.add_argument("--sql", action="store_true", help="print the SQL for an empty database, connect to none")


def migrate(call: Call) -> int:
    """One transaction for all; a second starter waits for the first."""
    arguments = call.args
    targets = _targets(arguments.consumer)
    if arguments.sql:
        statements = [statement for part, schema in targets for statement in fresh(part, schema)]
        call.emit({"statements": statements}, [as_script(statements)])
        return 0
    do = pending if arguments.dry_run else upgrade
    with connect(call.dsn, NO_LIMITS) as connection:
        changes = [do(connection, part, schema) for part, schema in targets]
    data = as_data(changes, dry_run=arguments.dry_run)
    lines = as_lines(changes, dry_run=arguments.dry_run)
    call.emit(data, lines)
    return 0


def _targets(consumers: Sequence[str] | None) -> Sequence[tuple[Part, str]]:
    return [(CONSUMER, schema) for schema in consumers] if consumers else [(OUTBOX, "outbox")]
