"""A step's seam: before the commit it joins the subject's transaction; behind it, our own connection tells of it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from tests.integration.booking_desk import NEW, Desk
from tests.integration.contexts import rows
from tests.support.callers import DRIVERS, engine_of
from tests.support.logs import lines_of
from tests.support.round_trips import counting_round_trips

CALLS = "SELECT version, call, state, owner FROM strangler.seam_record ORDER BY version, call"
INTENTS = "SELECT intents FROM strangler.seam_record ORDER BY version, call"
SENT = [{"kind": "call", "target": "mail.send", "body": {"to": "ann@example.invalid", "text": "hello"}}]


def burn() -> None:
    raise RuntimeError("the mail server is on fire")


def test_before_the_commit_the_record_joins_and_goes_with_a_rollback(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        desk.mail(booking)
        assert rows(bookings, CALLS) == []
        session.rollback()
    assert rows(bookings, CALLS) == []
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        desk.mail(booking)
        session.commit()
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]
    assert rows(bookings, INTENTS) == [(SENT,)]
    assert desk.keys == ["r-1:mail:100"] * 2


def test_behind_the_commit_it_is_begun_before_the_call_and_done_after_it(desk: Desk, bookings: str) -> None:
    seen: list[list[tuple[Any, ...]]] = []
    desk.during = lambda: seen.append(
        rows(bookings, "SELECT call, state, process > 0, ended_at FROM strangler.seam_record")
    )
    with desk.request("r-1") as session:
        desk.mail(desk.book(session))
    assert seen == [[(1, "begun", True, None)]]
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]
    assert rows(bookings, INTENTS) == [(SENT,)]


@pytest.mark.parametrize("commits", [True, False], ids=["commits first", "commits last"])
def test_two_calls_for_one_change_are_two_with_keys_of_their_own(desk: Desk, bookings: str, commits: bool) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=commits)
        desk.mail(booking)
        desk.mail(booking, text="to the boss")
        session.commit()
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow"), (1, 2, "done", "shadow")]
    assert desk.keys == ["r-1:mail:100", "r-1:mail:101"]
    with desk.request("r-1") as session:
        booking = session.get(desk.Booking, 1)
        desk.move(session, booking)
        desk.mail(booking)
    assert desk.keys[2:] == ["r-1:mail:200"]
    assert rows(bookings, "SELECT count(DISTINCT process), count(*) FROM strangler.subject_change") == [(1, 2)]


@pytest.mark.parametrize("commits", [True, False], ids=["commits first", "commits last"])
def test_a_failure_of_the_step_reaches_the_caller_and_is_recorded(desk: Desk, bookings: str, commits: bool) -> None:
    desk.during = burn
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=commits)
        with pytest.raises(RuntimeError, match="on fire"):
            desk.mail(booking)
        session.commit()
    assert rows(bookings, CALLS) == [(1, 1, "failed", "shadow")]
    assert rows(bookings, "SELECT outcome FROM strangler.seam_record") == [({"error": "RuntimeError"},)]


def test_the_same_call_again_after_a_failure_has_its_key(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session)
        desk.during = burn
        with pytest.raises(RuntimeError):
            desk.mail(booking)
        desk.during = lambda: None
        desk.mail(booking)
    assert desk.keys == ["r-1:mail:100"] * 2
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]


def test_a_step_that_was_not_called_is_not_due(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        desk.book(session)
        assert rows(bookings, CALLS) == []
    assert rows(bookings, CALLS) == [(1, 1, "none", "shadow")]


def test_a_unit_that_ends_in_an_error_does_not_say_that_nothing_was_due(desk: Desk, bookings: str) -> None:
    def crashing() -> None:
        with desk.request("r-1") as session:
            desk.book(session)
            burn()

    with pytest.raises(RuntimeError):
        crashing()
    assert rows(bookings, CALLS) == [(1, 1, "failed", "shadow")]


def test_a_change_that_was_rolled_back_has_nothing_to_say(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        desk.book(session, commits=False)
    assert rows(bookings, CALLS) == []


def test_an_application_that_commits_after_its_unit_is_heard_then(desk: Desk, bookings: str) -> None:
    with Session(desk.engine) as session:
        with desk.strangled.unit():
            desk.book(session, commits=False)
        assert rows(bookings, CALLS) == []
        session.commit()
    assert rows(bookings, CALLS) == [(1, 1, "none", "legacy")]


def test_what_the_new_side_owns_is_not_called(desk: Desk, bookings: str) -> None:
    with desk.request("r-1", NEW) as session:
        assert desk.mail(desk.book(session)) is None
    assert (desk.keys, rows(bookings, CALLS)) == ([], [])


def test_a_savepoint_is_no_commit(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        with session.begin_nested():
            booking = desk.book(session, commits=False)
        desk.mail(booking)
        assert rows(bookings, CALLS) == []
        session.commit()
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]


def test_what_a_savepoint_took_back_was_never_changed(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        desk.book(session)
        booking = session.get(desk.Booking, 1)
        nested = session.begin_nested()
        desk.strangled.changed(booking, "BookingMoved", {})
        nested.rollback()
        session.commit()
        desk.mail(booking)
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]


def test_reading_the_subject_after_the_commit_does_not_lose_the_record(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session)
        assert booking.email == "ann@example.invalid"  # begins a transaction that nobody will commit
        desk.mail(booking)
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_seam_never_waits_for_the_applications_pool(bookings: str, driver: str) -> None:
    url = engine_of(bookings, driver).url
    desk = Desk(create_engine(url, poolclass=QueuePool, pool_size=1, max_overflow=0, pool_timeout=1))
    with desk.request("r-1") as session:
        booking = desk.book(session)
        assert booking.email  # holds the only connection
        desk.mail(booking)
    desk.strangled.close()
    desk.engine.dispose()
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]


def test_an_observation_that_fails_is_recorded_and_not_raised(desk: Desk, bookings: str) -> None:
    @desk.strangled.step("audit", on=("BookingMade",), observe=lambda *_: 1 / 0)  # type: ignore[arg-type]
    def audit(_booking: object, *, key: str) -> str:
        return key

    with desk.request("r-1") as session:
        booking = desk.book(session)
        assert audit(booking) == "r-1:audit:100"  # type: ignore[call-arg]
        desk.mail(booking)
    [intents] = rows(bookings, "SELECT intents -> 0 ->> 'kind' FROM strangler.seam_record WHERE step = 'audit'")
    assert intents == ("unobserved",)


@pytest.mark.parametrize("commits", [True, False], ids=["commits first", "commits last"])
def test_a_record_that_cannot_be_written_costs_nothing(desk: Desk, bookings: str, commits: bool) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute("ALTER TABLE strangler.seam_record RENAME TO gone")
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=commits)
        assert desk.mail(booking)["text"] == "hello"
        session.commit()
    assert rows(bookings, "SELECT version FROM booking") == [(1,)]


def test_a_statement_that_fails_takes_its_steps_record_along(
    desk: Desk, bookings: str, caplog: pytest.LogCaptureFixture
) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        desk.during = lambda: session.execute(text("SELECT 1 / 0"))
        with pytest.raises(DataError):
            desk.mail(booking)
        session.rollback()
    assert (rows(bookings, CALLS), lines_of(caplog, "strangler.seam")) == ([], [])


def test_a_server_that_came_again_is_told(desk: Desk, bookings: str, caplog: pytest.LogCaptureFixture) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"
    with desk.request("r-1") as session:
        desk.mail(desk.book(session))
    with psycopg.connect(bookings, autocommit=True) as connection:
        connection.execute(kill, (connection.info.backend_pid,))
    with desk.request("r-1") as session:
        booking = session.get(desk.Booking, 1)
        desk.move(session, booking)
        desk.mail(booking)
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow"), (2, 1, "done", "shadow")]
    assert [one.message for one in lines_of(caplog, "strangler.seam")] == ["seam_process_lost"], (
        "what was written at last is not reported as lost"
    )
    query = """SELECT count(DISTINCT process), bool_and(process IN (SELECT objid::bigint FROM pg_locks
        WHERE locktype = 'advisory' AND classid = 21332)) FROM strangler.subject_change"""
    assert rows(bookings, query) == [(1, True)], "the process still lives"


def test_a_subject_that_nobody_told_of_is_called_with_a_key_of_its_own(desk: Desk, bookings: str) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute("INSERT INTO booking (id, email) VALUES (17, 'a')")
    with desk.request() as session:
        booking = session.get(desk.Booking, 17)
        desk.mail(booking)
        desk.mail(booking)
    assert len(set(desk.keys)) == 2
    assert rows(bookings, CALLS) == []


def test_a_worker_calls_for_the_change_of_another_process(desk: Desk, bookings: str) -> None:
    with desk.request("r-1", "epoch=4") as session:
        desk.book(session)
    with psycopg.connect(bookings) as connection:
        connection.execute("DELETE FROM strangler.seam_record")  # as where the step is `deferred`
    with Session(desk.engine) as session, desk.strangled.unit():
        desk.mail(session.get(desk.Booking, 1))
    assert rows(bookings, CALLS) == [(1, 1, "done", "legacy")]
    assert desk.keys == ["r-1:mail:100"]


@pytest.mark.parametrize("calls", [True, False])
def test_a_deferred_step_is_its_workers_to_call_and_to_say_that_it_is_not_due(
    desk: Desk, bookings: str, calls: bool
) -> None:
    @desk.strangled.step("report", on=("BookingMade",), observe=lambda *_: [], deferred=True)
    def report(_booking: object, *, key: str) -> str:
        return key

    query = "SELECT version, state FROM strangler.seam_record WHERE step = 'report' ORDER BY version"
    with desk.request("r-1") as session:
        desk.mail(desk.book(session))
    with desk.request("r-1") as session:  # before the worker has come to the first
        desk.move(session, session.get(desk.Booking, 1))
    assert rows(bookings, query) == []
    with Session(desk.engine) as session:
        booking = session.get(desk.Booking, 1)
        with desk.strangled.unit(booking, 1):
            if calls:
                assert report(booking) == "r-1:report:100"  # type: ignore[call-arg]
    assert rows(bookings, query) == [(1, "done" if calls else "none")]


@pytest.mark.parametrize("driver", DRIVERS)
def test_behind_the_commit_a_seam_is_two_round_trips(bookings: str, driver: str) -> None:
    with counting_round_trips(bookings) as (trips, counted):
        url = engine_of(counted, driver).url
        desk = Desk(create_engine(url))
        with desk.request("r-1") as session:
            booking = desk.book(session)
            desk.mail(booking)  # connects
            before = trips.count
            desk.mail(booking)
            assert trips.count - before == 2
        desk.strangled.close()
        desk.engine.dispose()
