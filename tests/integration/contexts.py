"""A context's connections and rows, as the tests of steps see them."""

from __future__ import annotations

from typing import Any

import psycopg

from outbox.connection import PsycopgConnection


def connect(dsn: str, schema: str) -> PsycopgConnection:
    """As a context's own process connects: its schema first, no wait for a lock without end."""
    return psycopg.connect(dsn, options=f"-c search_path={schema} -c lock_timeout=60s", connect_timeout=30)


def rows(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """What is committed."""
    with psycopg.connect(dsn, connect_timeout=30) as connection:
        return connection.execute(query).fetchall()


def waiting_backends(dsn: str) -> int:
    """How many sessions of the database wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return int(rows(dsn, query)[0][0])
