"""Revisions as statements, by Alembic's offline mode: the same SQL for a live database, a file and a dry run.

Neither Alembic's proxy `op` nor an `env.py` is used: inside a team's revision both are the team's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeAlias

from outbox.errors import ConfigurationError
from outbox.schema.parts import Part, quoted

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

Execute: TypeAlias = Callable[[str], None]  # what a revision's `upgrade` is given
ANNOUNCEMENT = "-- Running"

# IF NOT EXISTS asks for the right to create schemas even where the schema exists.
CREATE_SCHEMA = """DO $schema$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {text}) THEN
        CREATE SCHEMA {name};
    END IF;
END $schema$"""


class _Statements:
    """Alembic writes to it as to a file, one statement at a time."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> None:
        statement = text.strip().removesuffix(";")
        if not statement.startswith(ANNOUNCEMENT):
            self.written.append(statement)

    def flush(self) -> None:
        """Nothing is held back."""


def revisions(part: Part, since: str | None = None) -> list[str]:
    """The revisions after `since`, oldest first. `ConfigurationError` when `since` is of a newer release."""
    script = _script(part)
    newest_first = [one.revision for one in script.iterate_revisions(f"{part.name}@head", "base")]
    if since is None:
        return newest_first[::-1]
    if since not in newest_first:
        raise ConfigurationError(
            f"the part {part.name!r} of the database is at {since!r}, this release knows {', '.join(newest_first)}; "
            "install the release that made the tables, or a newer one"
        )
    return newest_first[: newest_first.index(since)][::-1]


def is_newer(part: Part, version: str) -> bool:
    """Whether that is a revision of a release after this one. Their names sort as they follow each other."""
    return version.startswith(f"{part.name}_") and version > revisions(part)[-1]


def statements(part: Part, schema: str, since: str | None = None) -> Iterator[str]:
    """Every statement after `since`, without its semicolon; the version's row is written by them too."""
    part.check_schema(schema)
    if not revisions(part, since):
        return
    if since is None:
        text = "'" + schema.replace("'", "''") + "'"
        yield CREATE_SCHEMA.replace("{text}", text).replace("{name}", quoted(schema))
    yield from _written(part, schema, since)


def _written(part: Part, schema: str, since: str | None) -> list[str]:
    script = _script(part)
    from alembic.operations import Operations  # noqa: PLC0415 - Alembic is for migrations alone
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415

    output = _Statements()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        dialect_opts={"paramstyle": "named"},  # others double every %
        opts={
            "as_sql": True,
            "output_buffer": output,
            "script": script,
            "starting_rev": since,
            "version_table": part.version_table,
            "version_table_schema": schema,
            "fn": lambda heads, _context: script._upgrade_revs(f"{part.name}@head", heads),  # as alembic.command does
        },
    )
    operations = Operations(context)

    def execute(statement: str) -> None:
        # Alembic reads `:name` as a parameter, in a schema's name too.
        operations.execute(statement.replace("{schema}", quoted(schema)).replace(":", r"\:"))

    context.run_migrations(execute=execute)
    return output.written


@cache
def _script(part: Part) -> ScriptDirectory:
    if find_spec("alembic") is None:
        raise ConfigurationError(
            "tables are made by Alembic, which is missing; pip install 'strangler-toolkit[migrate]'"
        )
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - Alembic is for migrations alone

    return ScriptDirectory(str(part.versions.parent), version_locations=[str(part.versions)])
