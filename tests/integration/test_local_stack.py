"""The local stack: what it starts, how it stops, and that nothing outlives it."""

from __future__ import annotations

import psycopg

from strangler.local.stack import Stack


def test_database_is_fresh_and_migrated(stack: Stack, database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT epoch FROM strangler.epoch").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM outbox.outbox").fetchone() == (0,)
        assert connection.execute("SHOW wal_level").fetchone() == ("logical",)


def test_databases_do_not_see_each_other(stack: Stack, database: str) -> None:
    other = stack.database("other_database", ["outbox"])
    with psycopg.connect(other) as connection:
        assert connection.execute("SELECT to_regclass('strangler.epoch')").fetchone() == (None,)
    stack.databases.drop("other_database")
