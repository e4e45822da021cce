"""The driver beneath a caller's connection: psycopg, psycopg2, or SQLAlchemy's on either, inside its transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from outbox.errors import ConfigurationError

# psycopg's, psycopg2's and SQLAlchemy's have no type in common, and none of them is imported here.
Connection: TypeAlias = Any
IDLE = 0  # of libpq's transaction status, in both drivers
NO_TRANSACTION = "the tables are made in your transaction, and this connection is in none; "


class Cursor(Protocol):
    """What both drivers' cursors do."""

    def execute(self, query: str, params: Sequence[str] = ...) -> object: ...
    def fetchone(self) -> Sequence[Any] | None: ...
    def fetchall(self) -> Sequence[Sequence[Any]]: ...
    def close(self) -> object: ...


def cursor_of(connection: Connection) -> Cursor:
    """A cursor of the driver, in the caller's transaction. `ConfigurationError` where there could be none."""
    if hasattr(connection, "exec_driver_sql"):
        connection = _beneath_sqlalchemy(connection)
    if not hasattr(connection, "cursor") or not hasattr(connection, "info"):
        raise ConfigurationError(
            f"a connection of type {type(connection).__module__}.{type(connection).__qualname__} cannot be used; "
            "give one of psycopg, psycopg2 or SQLAlchemy, or execute the statements of `migrate.statements`"
        )
    if connection.autocommit and connection.info.transaction_status == IDLE:
        raise ConfigurationError(f"{NO_TRANSACTION}it commits every statement: begin one, or turn autocommit off")
    cursor: Cursor = connection.cursor()
    return cursor


def _beneath_sqlalchemy(connection: Connection) -> Connection:
    connection.exec_driver_sql("SELECT 1")  # SQLAlchemy 2 begins lazily
    if not connection.in_transaction():  # SQLAlchemy 1.4 does not begin, and would lose the tables without a word
        raise ConfigurationError(f"{NO_TRANSACTION}use `with engine.begin() as connection`")
    return connection.connection.driver_connection
