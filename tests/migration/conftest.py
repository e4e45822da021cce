"""Empty databases, and a team's own Alembic project."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from strangler.local.stack import Stack

ENV = """
import os

import psycopg
from alembic import context
from sqlalchemy import Column, Integer, MetaData, NullPool, Table, create_engine

from strangler.alembic import include_name

metadata = MetaData()
Table("booking", metadata, Column("id", Integer, primary_key=True))
Table("position", metadata, Column("id", Integer, primary_key=True))  # named as one of the toolkit's
engine = create_engine(
    "postgresql+psycopg://", creator=lambda: psycopg.connect(os.environ["TEAM_DSN"]), poolclass=NullPool
)
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata, include_schemas=True, include_name=include_name
    )
    with context.begin_transaction():
        context.run_migrations()
"""
TEMPLATE = '''
"""${message}"""
from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''
REVISION = """
from alembic import op
import sqlalchemy as sa

revision = {name!r}
down_revision = {after!r}


def upgrade():
    {body}
"""
TABLES = """for name in ("booking", "position"):
        op.create_table(name, sa.Column("id", sa.Integer, primary_key=True))"""


@dataclass(frozen=True, slots=True)
class Team:
    """A folder with a package `migrations`, as Flask-Migrate and `alembic init` make it."""

    folder: Path
    environ: Mapping[str, str]

    def add(self, name: str, after: str | None, body: str) -> None:
        path = self.folder / "migrations" / "versions" / f"{name}.py"
        path.write_text(REVISION.format(name=name, after=after, body=body))

    def alembic(self, *argv: str) -> str:
        return self.run("alembic", *argv)

    def run(self, *argv: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", *argv],
            cwd=self.folder,
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


@pytest.fixture
def team(tmp_path: Path, empty: str) -> Team:
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "__init__.py").touch()
    (tmp_path / "migrations" / "env.py").write_text(ENV)
    (tmp_path / "migrations" / "script.py.mako").write_text(TEMPLATE)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\npath_separator = os\n")
    made = Team(tmp_path, {"TEAM_DSN": empty, "STRANGLER_DSN": empty})
    made.add("first", None, TABLES)
    return made


@pytest.fixture
def database_named(stack: Stack) -> Iterator[Callable[[str], str]]:
    """Makes empty databases of any name; gone after the test."""
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return stack.databases.ensure(name)

    yield make
    for name in made:
        stack.databases.drop(name)


@pytest.fixture
def empty(database_named: Callable[[str], str]) -> str:
    """The DSN of an empty database."""
    return database_named(f"empty_{secrets.token_hex(6)}")
