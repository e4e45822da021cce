"""Migrations: bring a database's branches to their heads, by alembic, wherever the package is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, NullPool, create_engine

from strangler.errors import BadInput, DependencyDown

# Held by a session of its own: alembic commits after each revision, and two starters must not interleave.
MIGRATION_LOCK = 0x5354_5241_4E48
TAKE_LOCK: LiteralString = "SELECT pg_advisory_lock(%(key)s)"
LOCK_TIMEOUT: LiteralString = "SET lock_timeout = '60s'"


def upgrade(dsn: str, branches: Sequence[str], *, dry_run: bool = False) -> list[str]:
    """Apply what is missing of these branches, in order; the revisions applied, or pending in a dry run.

    A second starter waits up to 60 s for the first, then finds nothing to do.
    """
    config = alembic_config()
    _check(branches)
    with _locked(dsn), _connected(dsn) as connection:
        pending = _pending(config, connection, branches)
        connection.rollback()  # alembic commits per revision only on a connection without a transaction
        if pending and not dry_run:
            config.attributes["connection"] = connection
            for branch in branches:
                command.upgrade(config, f"{branch}@head")
            connection.commit()
    return pending


def branches_found() -> list[str]:
    """Every branch that has a revision."""
    return sorted(path.name for path in (migrations_folder() / "versions").iterdir() if any(path.glob("[!_]*.py")))


def alembic_config() -> Config:
    """The same as `[tool.alembic]` in pyproject.toml, which an installed wheel does not have beside it."""
    versions = migrations_folder() / "versions"
    config = Config()
    config.set_main_option("script_location", _escaped(migrations_folder()))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(_escaped(versions / branch) for branch in branches_found()))
    return config


def migrations_folder() -> Path:
    """Of the installed package, or of the checkout."""
    spec = importlib.util.find_spec("migrations")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        return Path(folder)
    raise BadInput("the package `migrations` is not installed; install strangler-toolkit, or run from its checkout")


def _check(branches: Iterable[str]) -> None:
    known = branches_found()
    for branch in branches:
        if branch not in known:
            raise BadInput(f"no migrations of branch {branch!r}; known branches: {', '.join(known)}")


def _pending(config: Config, connection: Connection, branches: Sequence[str]) -> list[str]:
    script = ScriptDirectory.from_config(config)
    heads = MigrationContext.configure(connection).get_current_heads()
    applied = {revision.revision for head in heads for revision in script.iterate_revisions(head, "base")}
    pending: dict[str, None] = {}
    for branch in branches:
        newest_first = [revision.revision for revision in script.iterate_revisions(f"{branch}@head", "base")]
        pending.update(dict.fromkeys(one for one in reversed(newest_first) if one not in applied))
    return list(pending)


@contextmanager
def _locked(dsn: str) -> Iterator[None]:
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            connection.execute(LOCK_TIMEOUT)
            connection.execute(TAKE_LOCK, {"key": MIGRATION_LOCK})
            yield
    except psycopg.errors.LockNotAvailable as error:
        raise DependencyDown("another migration has been running for 60 s; wait for it, then try again") from error


@contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    _, _, rest = dsn.partition("://")
    engine = create_engine(f"postgresql+psycopg://{rest}", poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
