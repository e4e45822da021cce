"""A connection for a look every second: a server that is gone without a word is noticed in as little."""

from __future__ import annotations

import psycopg

from outbox.connection import PsycopgConnection, look_into, with_options

LIMITS = "-c lock_timeout=1s -c statement_timeout=1s"
CONNECT_TIMEOUT_S = 2  # libpq knows no shorter one
SILENCE_MS = 2_000


def brief(dsn: str, name: str, schema: str | None = None) -> PsycopgConnection:
    """In autocommit; with a `schema`, its tables need no schema's name. psycopg's errors."""
    connection = psycopg.connect(
        dsn,
        autocommit=True,
        options=with_options(dsn, LIMITS),
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=name,
        tcp_user_timeout=SILENCE_MS,
        keepalives_idle=1,
        keepalives_interval=1,
        keepalives_count=2,
    )
    if schema is not None:
        try:
            look_into(connection, schema)
        except BaseException:
            connection.close()
            raise
    return connection
