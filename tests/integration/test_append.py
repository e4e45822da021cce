"""append: with the caller's transaction or not at all."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import psycopg2
import pytest
from sqlalchemy import create_engine
from sqlalchemy.event import listen
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from outbox import Event, append, append_all, uuid7
from outbox.errors import OutboxError, PartitionMissing
from outbox.speaking import sqlstate
from tests.support.callers import CALLERS, DRIVERS, OLD_SQLALCHEMY, Opened, engine_of
from tests.support.round_trips import counting_round_trips

COUNT = "SELECT count(*) FROM outbox.outbox"
ROW = """
SELECT id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key
FROM outbox.outbox"""

END_THE_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
INSERT_RAW = """
INSERT INTO outbox.outbox (id, aggregatetype, aggregateid, aggregate_version, type, payload)
VALUES (%(id)s, %(type)s, 'o-1', %(version)s, 'OrderPlaced', '')"""


def placed(key: str = "o-1") -> Event:
    return Event("order", key, 1, "OrderPlaced", b"{}")


@pytest.fixture
def dsn(toolkit: str) -> str:
    return toolkit


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


@pytest.fixture(params=list(CALLERS.values()), ids=list(CALLERS))
def opened(request: pytest.FixtureRequest) -> Opened:
    found: Opened = request.param
    return found


def test_every_caller_decides_about_its_transaction(dsn: str, opened: Opened) -> None:
    with opened(dsn) as caller:
        append(caller, placed())
        caller.rollback()
        assert count(dsn) == 0
        append(caller, placed())
        caller.commit()
    assert count(dsn) == 1


def test_every_driver_writes_the_same_row(dsn: str, opened: Opened) -> None:
    one = replace(placed("z"), context={"epoch": 3}, payload=b"\x00\xff", traceparent="00-ab", partition_key="%s c'1")
    two = replace(placed("a"), id=uuid7())
    with opened(dsn) as caller:
        append_all(caller, [one, two])
        append(caller, replace(one, id=uuid7()))
        caller.commit()
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(f"{ROW} ORDER BY ctid").fetchall()
    full = ("order", "z", 1, "OrderPlaced", b"\x00\xff", "epoch=3", "00-ab", "%s c'1")
    assert [row[1:] for row in rows] == [full, ("order", "a", 1, "OrderPlaced", b"{}", "", None, None), full]
    assert [row[0] for row in rows[:2]] == [one.id, two.id]


def test_a_day_without_partition_is_named_with_the_way_out(dsn: str, opened: Opened) -> None:
    long_ago = uuid7(int(datetime(2001, 1, 1, tzinfo=UTC).timestamp() * 1000))
    with opened(dsn) as caller, pytest.raises(PartitionMissing, match="run: outbox partitions"):
        append(caller, replace(placed(), id=long_ago))


def test_an_append_is_one_round_trip(dsn: str, opened: Opened) -> None:
    with counting_round_trips(dsn) as (trips, counted), opened(counted) as caller:
        append(caller, placed())  # whoever connects or begins says more
        before = trips.count
        append(caller, replace(placed(), id=uuid7()))
        append_all(caller, [replace(placed(), id=uuid7()), replace(placed(), id=uuid7())])
        assert trips.count - before == 2


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_engine_that_commits_every_statement_is_refused(dsn: str, driver: str) -> None:
    engine = engine_of(dsn, driver, isolation_level="AUTOCOMMIT")
    with Session(engine) as session, pytest.raises(OutboxError, match="begin one first"):
        append(session, placed())
    assert count(dsn) == 0


def test_a_plain_psycopg2_connection_that_commits_by_itself_is_refused(dsn: str) -> None:
    with closing(psycopg2.connect(dsn)) as connection:
        connection.autocommit = True
        with pytest.raises(OutboxError, match="begin one first"):
            append(connection, placed())
    assert count(dsn) == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_application_that_listens_to_its_statements_hears_ours(dsn: str, driver: str) -> None:
    engine, heard = engine_of(dsn, driver), list[str]()
    with Session(engine) as session:
        append(session, placed())
        listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: heard.append(statement))
        append(session, replace(placed(), id=uuid7()))
    assert [statement.split()[:2] for statement in heard] == [["INSERT", "INTO"]]


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_database_refuses_a_session_is_an_error_of_sqlalchemy(dsn: str, driver: str) -> None:
    with Session(engine_of(dsn, driver)) as session:
        one = placed()
        append(session, one)
        with pytest.raises(IntegrityError) as refused:
            append(session, one)
        assert sqlstate(refused.value) == "23505"
        with pytest.raises(DBAPIError):  # until it is rolled back
            append(session, placed())
        session.rollback()
        append(session, placed())
        session.commit()
    assert count(dsn) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_that_is_lost_is_given_up_by_its_pool(dsn: str, driver: str) -> None:
    engine = create_engine(engine_of(dsn, driver).url)
    with Session(engine) as session:
        append(session, placed())
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute(END_THE_OTHERS)
        with pytest.raises(DBAPIError) as lost:
            append(session, replace(placed(), id=uuid7()))
        assert lost.value.connection_invalidated
        session.rollback()
        append(session, placed())
        session.commit()
    engine.dispose()
    assert count(dsn) == 1


@pytest.mark.parametrize(("column", "value"), [("type", ""), ("type", "a/b"), ("type", "x" * 181), ("version", 0)])
def test_the_table_refuses_what_no_topic_could_be_named_after(dsn: str, column: str, value: object) -> None:
    row: dict[str, object] = {"id": uuid7(), "type": "x" * 180, "version": 1}
    with psycopg.connect(dsn) as connection:
        connection.execute(INSERT_RAW, row)
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute(INSERT_RAW, {**row, "id": uuid7(), column: value})


if OLD_SQLALCHEMY:

    def test_a_connection_of_an_old_sqlalchemy_that_begins_nothing_is_refused(dsn: str) -> None:
        with engine_of(dsn, "psycopg2").connect() as connection:
            with pytest.raises(OutboxError, match=r"use `with engine\.begin"):
                append(connection, placed())
            with connection.begin():
                append(connection, placed())
        assert count(dsn) == 1


def test_another_driver_beneath_sqlalchemy_is_named(dsn: str) -> None:
    with create_engine("sqlite://").connect() as connection, pytest.raises(TypeError, match=r"runs on pysqlite; use"):
        append(connection, placed())


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
