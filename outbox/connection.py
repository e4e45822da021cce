"""The connection of the toolkit's own processes: psycopg's. An application's is any, see `outbox.speaking`."""

from __future__ import annotations

from typing import Any, TypeAlias

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from outbox.errors import ConfigurationError

PsycopgConnection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT_S = 10
MAY_LOOK = "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %s"
LIMITS = "-c lock_timeout=10s -c statement_timeout=30s"  # no wait is without end


def connect(
    dsn: str,
    limits: str = LIMITS,
    *,
    schema: str | None = None,
    name: str | None = None,
    autocommit: bool = False,
) -> PsycopgConnection:
    """To this database, whose every statement and wait for a lock ends by `limits` ("": as the DSN says); psycopg's
    errors.

    With a `schema` as `look_into` says; no others are seen. `name`: whose connection it is, for
    PostgreSQL's own views.
    """
    connection = psycopg.connect(
        dsn,
        options=with_options(dsn, limits) or None,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=name,
        autocommit=autocommit,
    )
    if schema is not None:
        try:
            look_into(connection, schema)
            connection.commit()  # a rollback would take the path back
        except BaseException:
            connection.close()
            raise
    return connection


def look_into(connection: PsycopgConnection, schema: str) -> None:
    """From now the tables of this schema need no schema name. `ConfigurationError` where the role may not look there:
    PostgreSQL passes such a schema by, as if it had no tables.
    """
    row = connection.execute(MAY_LOOK, [schema]).fetchone()
    if row is not None and not row[0]:
        user = connection.info.user
        raise ConfigurationError(f"the role {user!r} may not look into schema {schema!r}; give the DSN of one that may")
    connection.execute("SELECT set_config('search_path', %s, false)", [quoted(schema)])


def unanswered(error: BaseException, where: str = "STRANGLER_DSN") -> str:
    """What a command says of a server that it could not connect to; `where` its address stands."""
    return f"PostgreSQL does not answer: {first_line(error)}; check {where} and that it runs"


def first_line(error: BaseException) -> str:
    """libpq's texts have several, one for each address that it tried."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def quoted(name: str) -> str:
    """As SQL takes it.

    >>> quoted('my-"odd')
    '"my-""odd"'
    """
    return sql.Identifier(name).as_string(None)


def with_options(dsn: str, ours: str) -> str:
    """For `psycopg.connect(dsn, options=...)`, which drops what the DSN says itself: that, and ours, which win.

    >>> with_options("postgresql://db/shop?options=-cjit%3Doff", "-c lock_timeout=10s")
    '-cjit=off -c lock_timeout=10s'
    """
    return f"{conninfo_to_dict(dsn).get('options') or ''} {ours}".strip()
