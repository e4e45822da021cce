"""Every connection that an application may have in hand, opened on a database; each ends as it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from typing import Any

import psycopg
import psycopg2
from sqlalchemy import __version__ as sqlalchemy_version
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

OLD_SQLALCHEMY = sqlalchemy_version.startswith("1.")  # it has no dialect for psycopg 3
Caller = Any  # a connection with commit and rollback; no two of them have a type in common
Opened = Callable[[str], AbstractContextManager[Caller]]


def engine_of(dsn: str, driver: str, **more: Any) -> Engine:
    """SQLAlchemy on one of the drivers, by name: `postgresql://` means another one in each of its releases."""
    return create_engine(dsn.replace("postgresql://", f"postgresql+{driver}://", 1), poolclass=NullPool, **more)


@contextmanager
def by_psycopg(dsn: str) -> Iterator[Caller]:
    with closing(psycopg.connect(dsn)) as connection:
        yield connection


@contextmanager
def by_psycopg2(dsn: str) -> Iterator[Caller]:
    with closing(psycopg2.connect(dsn)) as connection:
        yield connection


@contextmanager
def by_connection(driver: str, dsn: str) -> Iterator[Caller]:
    future = {"future": True} if OLD_SQLALCHEMY else {}  # else its Connection has no commit
    with engine_of(dsn, driver, **future).connect() as connection:
        yield connection


@contextmanager
def by_session(driver: str, dsn: str) -> Iterator[Caller]:
    with Session(engine_of(dsn, driver)) as session:
        yield session


@contextmanager
def by_scoped_session(driver: str, dsn: str) -> Iterator[Caller]:
    session = scoped_session(sessionmaker(engine_of(dsn, driver)))
    yield session
    session.remove()


DRIVERS = ("psycopg2",) if OLD_SQLALCHEMY else ("psycopg", "psycopg2")
CALLERS: Mapping[str, Opened] = {
    "psycopg": by_psycopg,
    "psycopg2": by_psycopg2,
    **{
        f"{kind} on {driver}": partial(opened, driver)
        for kind, opened in {"Connection": by_connection, "Session": by_session, "scoped": by_scoped_session}.items()
        for driver in DRIVERS
    },
}
