"""append: with the caller's transaction or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from outbox import Event, append, append_all, partitions, uuid7
from outbox.errors import OutboxError, PartitionMissing

COUNT = "SELECT count(*) FROM outbox.outbox"
ROW = """
SELECT id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key
FROM outbox.outbox"""


def placed(key: str = "o-1") -> Event:
    return Event("order", key, 1, "OrderPlaced", b"{}")


@pytest.fixture
def dsn(database: str) -> str:
    with psycopg.connect(database) as connection:
        partitions.ensure(connection)
    return database


def count(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(COUNT).fetchone()
        assert row is not None
        return int(row[0])


def test_an_event_is_there_after_the_commit(dsn: str) -> None:
    event = replace(placed(), context={"epoch": 3}, traceparent="00-ab", partition_key="c-1", payload=b"\x00\xff")
    with psycopg.connect(dsn) as connection:
        append(connection, event)
        assert count(dsn) == 0
    with psycopg.connect(dsn) as connection:
        assert connection.execute(ROW).fetchall() == [
            (event.id, "order", "o-1", 1, "OrderPlaced", b"\x00\xff", "epoch=3", "00-ab", "c-1")
        ]


def test_several_events_are_one_statement_in_their_order(dsn: str) -> None:
    first = replace(placed("z"), context={"epoch": 3}, payload=b"\x00\xff")
    second = replace(placed("a"), id=uuid7(), traceparent="00-ab", partition_key="c-1")
    with psycopg.connect(dsn) as connection:
        append_all(connection, [])
        append_all(connection, [second, first])
    with psycopg.connect(dsn) as connection:
        assert connection.execute(f"{ROW} ORDER BY ctid").fetchall() == [
            (second.id, "order", "a", 1, "OrderPlaced", b"{}", "", "00-ab", "c-1"),
            (first.id, "order", "z", 1, "OrderPlaced", b"\x00\xff", "epoch=3", None, None),
        ]


def test_of_several_events_one_that_is_refused_takes_the_others_along(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        with pytest.raises(ValueError, match="aggregate_version is 0"):
            append_all(connection, [placed(), replace(placed(), id=uuid7(), aggregate_version=0)])
        connection.commit()
    assert count(dsn) == 0


def test_an_event_goes_with_the_callers_rollback(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        append(connection, placed())
        connection.rollback()
    assert count(dsn) == 0


def test_a_savepoint_takes_its_event_back(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        append(connection, placed("kept"))
        with connection.transaction(force_rollback=True):
            append(connection, placed("dropped"))
    assert count(dsn) == 1


@pytest.mark.parametrize("ending", [Session.commit, Session.rollback], ids=["commit", "rollback"])
def test_a_sqlalchemy_session_decides(dsn: str, ending: Callable[[Session], None]) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    with Session(engine) as session:
        append(session, placed())
        ending(session)
    engine.dispose()
    assert count(dsn) == (1 if ending is Session.commit else 0)


def test_a_sqlalchemy_connection_shares_its_transaction(dsn: str) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        append(connection, placed())
        assert connection.scalar(text(COUNT)) == 1
        connection.rollback()
    engine.dispose()
    assert count(dsn) == 0


def test_a_scoped_session_is_taken_as_it_is(dsn: str) -> None:
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    session = scoped_session(sessionmaker(engine))
    append(session, placed())
    session.commit()
    session.remove()
    engine.dispose()
    assert count(dsn) == 1


def test_what_is_no_connection_is_named_with_what_to_give() -> None:
    with pytest.raises(TypeError, match=r"a builtins\.str is no connection; give psycopg's"):
        append("postgresql://localhost", placed())  # type: ignore[arg-type]  # what a caller without mypy may do


def test_a_connection_that_commits_by_itself_is_refused(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        with pytest.raises(OutboxError, match="begin one first"):
            append(connection, placed())
        with connection.transaction():
            append(connection, placed())
    assert count(dsn) == 1


def test_a_day_without_partition_is_named_with_the_way_out(dsn: str) -> None:
    long_ago = uuid7(int(datetime(2001, 1, 1, tzinfo=UTC).timestamp() * 1000))
    with psycopg.connect(dsn) as connection, pytest.raises(PartitionMissing, match="run: outbox partitions"):
        append(connection, replace(placed(), id=long_ago))


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (replace(placed(), aggregate_type="order/x"), "cannot name a topic"),
        (replace(placed(), aggregate_version=0), "the first event of an aggregate has 1"),
        (replace(placed(), payload=bytes(1_000_001)), "1000000 fit"),
        (replace(placed(), context={"tenant": "caf\u00e9"}), "cannot travel"),
        (replace(placed(), id=uuid4()), "not a UUID of version 7"),
    ],
)
def test_what_could_not_be_published_is_refused_before_anything_is_written(dsn: str, bad: Event, said: str) -> None:
    with psycopg.connect(dsn) as connection:
        with pytest.raises(ValueError, match=said):
            append(connection, bad)
        append(connection, placed())
    assert count(dsn) == 1
