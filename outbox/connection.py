"""One way in for both kinds of caller: a psycopg connection, or SQLAlchemy's on top of psycopg."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard, cast

import psycopg

if TYPE_CHECKING:
    from sqlalchemy import Connection as SqlalchemyConnection
    from sqlalchemy.orm import Session, scoped_session

PsycopgConnection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
AnyConnection: TypeAlias = "PsycopgConnection | SqlalchemyConnection | Session | scoped_session[Any]"


def driver_connection(connection: AnyConnection) -> PsycopgConnection:
    """The psycopg connection beneath, in the same open transaction; nothing is begun, committed or closed.

    A SQLAlchemy caller must use the psycopg (version 3) driver; a Session, also a scoped one such as Flask-SQLAlchemy's
    `db.session`, is flushed first, so that rows it holds back are in the transaction before ours.
    """
    if isinstance(connection, psycopg.Connection):
        return connection
    if _is_session(connection):
        connection.flush()
        joined = connection.connection()
    elif hasattr(connection, "exec_driver_sql"):
        joined = cast("SqlalchemyConnection", connection)
    else:
        kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
        raise TypeError(f"a {kind} is no connection; give psycopg's (psycopg 3), or SQLAlchemy's Connection or Session")
    joined.exec_driver_sql("SELECT 1")  # SQLAlchemy begins lazily: make sure its transaction is the one we join
    driver = joined.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"SQLAlchemy runs on {type(driver).__module__}; use postgresql+psycopg:// (psycopg 3)")
    return driver


def _is_session(connection: AnyConnection) -> TypeGuard[Session]:
    """Without importing SQLAlchemy for callers who do not use it: whoever has a Session has loaded its module."""
    orm = sys.modules.get("sqlalchemy.orm")
    return orm is not None and isinstance(connection, (orm.Session, orm.scoped_session))
