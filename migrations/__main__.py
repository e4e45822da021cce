"""`python -m migrations [grant PREFIX]`: the sample's own tables in STRANGLER_DSN's database, or the rights on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config

from migrations.grants import statements
from outbox.command import guarded

HERE = Path(__file__).parent
# Of a session of its own: alembic commits by itself, and two starters must not interleave.
TAKE_LOCK = "SELECT pg_advisory_lock(hashtext('migrations'))"
WAIT_AT_MOST = "-c lock_timeout=60s"


def config(dsn: str) -> Config:
    """The same as `[tool.alembic]` of pyproject.toml, for any folder to run in."""
    made = Config(cmd_opts=None)
    made.set_main_option("script_location", _plain(HERE))
    made.set_main_option("path_separator", "newline")
    made.set_main_option(
        "version_locations", "\n".join(_plain(found) for found in sorted(HERE.glob("versions/[!_]*/")))
    )
    made.attributes["dsn"] = dsn
    return made


def main(argv: Sequence[str]) -> int:
    """Exit 0 done, 2 usage or rights, 3 PostgreSQL does not answer."""
    return guarded("migrations", lambda: _run(argv))


def _run(argv: Sequence[str]) -> int:
    dsn = os.environ.get("STRANGLER_DSN")
    if not dsn:
        print("migrations: no database is named; set STRANGLER_DSN", file=sys.stderr)
        return 2
    match argv:
        case []:
            with psycopg.connect(dsn, autocommit=True, connect_timeout=10, options=WAIT_AT_MOST) as connection:
                connection.execute(TAKE_LOCK)
                command.upgrade(config(dsn), "heads")
        case ["grant", prefix]:
            with psycopg.connect(dsn, connect_timeout=10, options=WAIT_AT_MOST) as connection:
                for statement in statements(prefix):
                    connection.execute(statement.encode())
        case _:
            print(f"migrations: {' '.join(argv)!r} is no command; say nothing, or grant PREFIX", file=sys.stderr)
            return 2
    return 0


def _plain(path: Path) -> str:
    return str(path).replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
