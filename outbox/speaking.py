"""Say one statement in a caller's own transaction, through whatever connection there is.

psycopg, psycopg2, or SQLAlchemy 1.4 and 2 on either: statements are written as both drivers read them (`%s`, and casts
where a driver would guess a type). None of these libraries is imported here: whoever has a connection has loaded it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, cast

from outbox.errors import OutboxError

if TYPE_CHECKING:
    import psycopg
    from psycopg2.extensions import connection as psycopg2_connection
    from sqlalchemy import Connection as SqlalchemyConnection
    from sqlalchemy.orm import Session, scoped_session

    DriverConnection: TypeAlias = psycopg.Connection[Any] | psycopg2_connection
    AnyConnection: TypeAlias = DriverConnection | SqlalchemyConnection | Session | scoped_session[Any]

Parameters: TypeAlias = Sequence[object] | Mapping[str, object]
IDLE = 0  # of libpq's transaction status, in both drivers
DRIVERS = ("psycopg", "psycopg2")
DRIVERS_MODULES = ("psycopg", "psycopg2.extensions")  # where their connections' classes are


class NoTransaction(OutboxError):
    """The connection commits each statement by itself, so that there is nothing to join."""


def execute(
    connection: AnyConnection, query: str, parameters: Parameters, *, joins: bool = True, flushes: bool = True
) -> list[tuple[Any, ...]]:
    """The statement's rows, none for one that gives none. One round trip; begins, commits and closes nothing.

    A Session, also a scoped one, is flushed first unless not `flushes`, so that what it holds back stands before our
    row. `joins`: refuse a connection that is in no transaction and would not begin one (`NoTransaction`). `TypeError`
    for what is no connection; errors of the database as the connection raises them, see `sqlstate`.
    """
    joined = beneath_session(connection, flushes=flushes)
    if not _is_sqlalchemy(joined):
        return _by_driver(cast("DriverConnection", joined), query, parameters, joins=joins)
    if joined is not connection and _is_unheard(joined):
        return _beneath_sqlalchemy(joined, query, parameters, joins=joins)
    return _by_sqlalchemy(joined, query, parameters, joins=joins)


def beneath_session(connection: AnyConnection, *, flushes: bool = True) -> DriverConnection | SqlalchemyConnection:
    """A Session's connection, after a flush; any other connection as it is."""
    orm = sys.modules.get("sqlalchemy.orm")
    if orm is None or not isinstance(connection, (orm.Session, orm.scoped_session)):
        return cast("DriverConnection | SqlalchemyConnection", connection)
    session = cast("Session", connection)
    if flushes:
        session.flush()
    return session.connection()


def _is_sqlalchemy(connection: DriverConnection | SqlalchemyConnection) -> TypeGuard[SqlalchemyConnection]:
    return hasattr(connection, "exec_driver_sql")


def sqlstate(error: BaseException) -> str | None:
    """What the database said of an error of either driver, also beneath SQLAlchemy's; None if it did not speak."""
    original = _original(error)
    said = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    return said if isinstance(said, str) else None


def constraint(error: BaseException) -> str | None:
    """The name of the constraint that refused a row; None where there is none."""
    name = getattr(getattr(_original(error), "diag", None), "constraint_name", None)
    return name if isinstance(name, str) else None


def _original(error: BaseException) -> object:
    return getattr(error, "orig", None) or error  # SQLAlchemy's has the driver's in `orig`


def _by_sqlalchemy(
    connection: SqlalchemyConnection, query: str, parameters: Parameters, *, joins: bool
) -> list[tuple[Any, ...]]:
    if connection.dialect.driver not in DRIVERS:
        raise TypeError(f"SQLAlchemy runs on {connection.dialect.driver}; use postgresql+psycopg:// or +psycopg2://")
    if joins:
        _check_sqlalchemy(connection)
    given = (
        dict(parameters) if isinstance(parameters, Mapping) else tuple(parameters)
    )  # a list would be many executions
    answer = connection.exec_driver_sql(query, given)
    return [tuple(row) for row in answer] if answer.returns_rows else []


def _is_unheard(connection: Any) -> bool:
    """Whether nobody listens to a Session's statements or logs them: then its driver's cursor is only quicker, by a
    fifth of an append. Not for the first statement, with which its transaction begins, nor through a driver's proxy.
    """
    if not connection.in_transaction():
        return False
    try:
        heard = connection._has_events or connection.engine._has_events or connection.dialect._has_events
        logged, _ = connection._echo, connection._handle_dbapi_exception
    except AttributeError:  # another SQLAlchemy than those of now
        return False
    return not (heard or logged) and type(connection.connection.dbapi_connection).__module__ in DRIVERS_MODULES


def _beneath_sqlalchemy(connection: Any, query: str, parameters: Parameters, *, joins: bool) -> list[tuple[Any, ...]]:
    try:
        return _by_driver(connection.connection.dbapi_connection, query, parameters, joins=joins)
    except NoTransaction:
        raise
    except BaseException as error:  # wrapped as any of its errors, and a connection that was lost is given up
        connection._handle_dbapi_exception(error, query, parameters, None, None)
        raise


def _by_driver(
    connection: DriverConnection, query: str, parameters: Parameters, *, joins: bool
) -> list[tuple[Any, ...]]:
    cursor = _cursor(connection)
    try:
        if joins:
            _check_driver(connection)
        cursor.execute(query, parameters)
        return cursor.fetchall() if _has_rows(cursor) else []
    finally:
        cursor.close()


def _cursor(connection: DriverConnection) -> Any:
    """Of tuples, whatever rows and parameters the caller's own cursors have."""
    psycopg, psycopg2 = sys.modules.get("psycopg"), sys.modules.get("psycopg2.extensions")
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        return psycopg.Cursor(connection, row_factory=psycopg.rows.tuple_row)
    if psycopg2 is not None and isinstance(connection, psycopg2.connection):
        return connection.cursor(cursor_factory=psycopg2.cursor)
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    raise TypeError(f"a {kind} is no connection; give psycopg's, psycopg2's, or SQLAlchemy's Connection or Session")


def _has_rows(cursor: Any) -> bool:
    result = getattr(cursor, "pgresult", None)  # psycopg's: its `description` is made of the columns' types anew
    return bool(cursor.description if result is None else result.nfields)


def _check_sqlalchemy(connection: SqlalchemyConnection) -> None:
    # A Connection of SQLAlchemy 1.4 (it has no `commit`) begins nothing: each statement commits by itself.
    if not hasattr(connection, "commit") and not connection.in_transaction():
        raise NoTransaction(
            "the row would be committed alone: this Connection is in no transaction; "
            "use `with engine.begin() as connection`"
        )
    _check_driver(cast("DriverConnection", connection.connection.dbapi_connection))


def _check_driver(connection: DriverConnection) -> None:
    if connection.autocommit and connection.info.transaction_status == IDLE:
        raise NoTransaction(
            "the row would be committed alone: this connection is in no transaction and commits every statement; "
            "begin one first, or turn autocommit off"
        )
