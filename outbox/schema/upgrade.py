"""Bring a part to its newest tables, inside the caller's transaction; a second run does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outbox import partitions
from outbox.errors import ConfigurationError, DependencyDown, OutboxError
from outbox.schema.parts import OUTBOX, Part, part_of, quoted
from outbox.schema.script import is_newer, revisions, statements
from outbox.speaking import NoTransaction, execute

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection

# Held to the caller's commit: two starters must not interleave. One key for all parts and schemas.
MIGRATION_LOCK = 0x5354_5241_4E48
TAKE_LOCK = f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
LOCK_WITHIN = "60s"
SET_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %s, true)"
# Not to_regclass: after the wait for the lock it would answer from this session's cache that there is no such table.
FIND_TABLE = """
SELECT 1 FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE nspname = %s AND relname = %s"""

# By SQLSTATE, which both drivers give: what happened, and the next step.
REFUSALS: dict[str | None, tuple[type[OutboxError], str]] = {
    "55P03": (DependencyDown, f"another migration has held the lock for {LOCK_WITHIN}; wait for it, then try again"),
    "42501": (
        ConfigurationError,
        "the connection's role may not: grant it CREATE there, or take the tables' owner; a superuser makes roles",
    ),
    "42P07": (ConfigurationError, "something of that name stands there already; give another schema, or rename it"),
    "42710": (ConfigurationError, "something of that name stands there already; rename it, then try again"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """What brings a part in a schema to its newest tables. Nothing is to do when `statements` is empty."""

    part: str
    schema: str
    revisions: tuple[str, ...]
    statements: tuple[str, ...]


def pending(connection: AnyConnection, part: Part, schema: str) -> Change:
    """What `upgrade` would do now; reads only."""
    part.check_schema(schema)
    with explained(f"the part {part.name!r} in the schema {schema!r}"):
        return _pending(connection, part, schema)


def behind(connection: AnyConnection, part: Part, schema: str) -> tuple[str, ...]:
    """The revisions that a running process lacks, oldest first; reads only the part's version.

    A newer release's tables lack nothing: they only grow, and this release runs on them. Only an upgrade refuses them.
    """
    part.check_schema(schema)
    with explained(f"the part {part.name!r} in the schema {schema!r}"):
        version = _version(connection, part, schema)
    if version is not None and is_newer(part, version):
        return ()
    return tuple(revisions(part, version))


def upgrade(connection: AnyConnection, part: Part, schema: str) -> Change:
    """Do what is pending, in the caller's transaction; what was done. Commits nothing.

    `DependencyDown` after 60 s behind another migration, `ConfigurationError` where the database refuses.
    """
    part.check_schema(schema)
    with explained(f"the part {part.name!r} in the schema {schema!r}"):
        if not _pending(connection, part, schema).statements:
            return Change(part.name, schema, (), ())
        with _waiting_for_locks(connection):
            execute(connection, TAKE_LOCK, ())
            change = _pending(connection, part, schema)  # the lock's last holder may have done it
            for statement in change.statements:
                execute(connection, statement.replace("%", "%%"), ())
    return change


def fresh(part: Part, schema: str) -> Iterator[str]:
    """Every statement of a part for a database that has nothing of it."""
    yield from statements(part, schema)
    if part is OUTBOX:
        yield from partitions.statements(existing=())


class Migrate:
    """`migrate(connection, part, schema)`, and `migrate.statements(part, schema)` for a file."""

    def __call__(self, connection: AnyConnection, part: str, schema: str) -> list[str]:
        """Make or extend the tables of `part` in `schema`, in the caller's transaction; the statements executed.

        `part`: `"outbox"` (the outbox table, always in the schema `outbox`, with partitions for the next days) or
        `"consumer"` (positions, quarantine, retry budget; one schema for each group). `connection`: of psycopg,
        psycopg2, or SQLAlchemy's on either. Nothing is committed, tables only grow, a second call executes nothing;
        a second starter waits up to 60 s for the first one's commit. `ConfigurationError`, `DependencyDown`.

            with psycopg.connect(dsn) as connection:  # commits at its end
                migrate(connection, "outbox", "outbox")
                migrate(connection, "consumer", "totals")
        """
        return list(upgrade(connection, part_of(part), schema).statements)

    def statements(self, part: str, schema: str) -> Iterator[str]:
        """The same for an empty database, each without its semicolon, for a file or a revision made offline.

        >>> next(migrate.statements("consumer", "totals")).splitlines()[0]
        'DO $schema$ BEGIN'
        """
        return fresh(part_of(part), schema)


migrate = Migrate()


def _pending(connection: AnyConnection, part: Part, schema: str) -> Change:
    version = _version(connection, part, schema)
    wanted = [*statements(part, schema, version)]
    if part is OUTBOX:
        wanted += partitions.statements(existing=_partitions(connection) if version else ())
    return Change(part.name, schema, tuple(revisions(part, version)), tuple(wanted))


def _version(connection: AnyConnection, part: Part, schema: str) -> str | None:
    if not execute(connection, FIND_TABLE, (schema, part.version_table)):
        return None
    table = f"{quoted(schema)}.{quoted(part.version_table)}".replace("%", "%%")
    rows = execute(connection, f"SELECT version_num FROM {table}", ())  # noqa: S608 (quoted)
    return str(rows[0][0]) if rows else None


def _partitions(connection: AnyConnection) -> set[str]:
    return {str(name) for (name,) in execute(connection, partitions.EXISTING, ())}


@contextmanager
def _waiting_for_locks(connection: AnyConnection) -> Iterator[None]:
    """The rest of the caller's transaction has its own lock_timeout again."""
    ((before,),) = execute(connection, "SELECT current_setting('lock_timeout')", ())
    execute(connection, SET_LOCK_TIMEOUT, (LOCK_WITHIN,))
    yield
    execute(connection, SET_LOCK_TIMEOUT, (str(before),))


@contextmanager
def explained(what: str) -> Iterator[None]:
    """What the database refuses is told by its reason and the next step."""
    try:
        yield
    except (NoTransaction, TypeError) as error:
        raise ConfigurationError(f"{what}: {error}; the tables are made in your transaction") from error
    except Exception as error:
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if state not in REFUSALS:
            raise
        kind, next_step = REFUSALS[state]
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise kind(f"{what}: {reason}; {next_step}") from error
