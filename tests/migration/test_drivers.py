"""Every connection that a team may have, and no more rights than the tables need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import psycopg2
import pytest
from sqlalchemy import NullPool, create_engine

from outbox.errors import ConfigurationError
from outbox.schema import migrate
from strangler.local.databases import with_user

pytestmark = pytest.mark.no_kafka
Opened = Callable[[str], Any]


@contextmanager
def by_psycopg(dsn: str) -> Iterator[Any]:
    with closing(psycopg.connect(dsn)) as connection:
        yield connection


@contextmanager
def by_psycopg2(dsn: str) -> Iterator[Any]:
    with closing(psycopg2.connect(dsn)) as connection:
        yield connection


def by_sqlalchemy(driver: str, module: Any) -> Opened:
    @contextmanager
    def opened(dsn: str) -> Iterator[Any]:
        engine = create_engine(f"postgresql+{driver}://", creator=lambda: module.connect(dsn), poolclass=NullPool)
        with engine.connect() as connection:
            yield connection

    return opened


@pytest.mark.parametrize(
    "opened",
    [by_psycopg, by_psycopg2, by_sqlalchemy("psycopg", psycopg), by_sqlalchemy("psycopg2", psycopg2)],
    ids=["psycopg", "psycopg2", "SQLAlchemy on psycopg", "SQLAlchemy on psycopg2"],
)
def test_tables_are_made_in_the_callers_transaction(empty: str, opened: Opened) -> None:
    with opened(empty) as connection:
        assert migrate(connection, "outbox", "outbox")
        connection.rollback()
        assert migrate(connection, "outbox", "outbox"), "a rollback left something"
        connection.commit()
        assert migrate(connection, "outbox", "outbox") == []


def test_a_connection_that_commits_every_statement_is_refused(empty: str) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        with pytest.raises(
            ConfigurationError, match="commits every statement; begin one first, or turn autocommit off"
        ):
            migrate(connection, "outbox", "outbox")
        with connection.transaction():
            assert migrate(connection, "outbox", "outbox")


def test_a_connection_of_another_kind_is_refused_with_a_way_out() -> None:
    with pytest.raises(
        ConfigurationError, match=r"object is no connection; give psycopg's, psycopg2's, or SQLAlchemy's"
    ):
        migrate(object(), "outbox", "outbox")  # type: ignore[arg-type] # the mistake


def test_a_role_needs_create_on_the_schema_only(empty: str, as_role: Callable[[str, str], str]) -> None:
    role = as_role(empty, "CREATE SCHEMA totals; GRANT USAGE, CREATE ON SCHEMA totals TO {role}")
    with psycopg.connect(role) as connection:
        assert migrate(connection, "consumer", "totals")
        connection.commit()
        assert migrate(connection, "consumer", "totals") == []
        with pytest.raises(ConfigurationError, match=r"permission denied for database .* role may not: grant"):
            migrate(connection, "consumer", "others")


@pytest.fixture
def as_role(empty: str) -> Iterator[Callable[[str, str], str]]:
    """The DSN of a role that may do this and nothing else; gone with what it owns."""
    name, password = "a_test_role", "not-a-secret"

    def made(dsn: str, grants: str) -> str:
        with psycopg.connect(dsn) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'; {grants.format(role=name)}".encode())
        return with_user(dsn, name, password)

    yield made
    with psycopg.connect(empty) as connection:
        connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())
