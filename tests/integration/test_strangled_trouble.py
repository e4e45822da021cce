"""A seam in trouble: calls again, savepoints, what the database refuses, too many calls, odd engines, other tasks."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from strangler import Call
from strangler.errors import BadInput
from tests.integration.booking_desk import Desk
from tests.integration.contexts import rows
from tests.support.callers import DRIVERS, engine_of

CALLS = "SELECT version, call, state, owner FROM strangler.seam_record ORDER BY version, call"


def burn() -> None:
    raise RuntimeError("the mail server is on fire")


def test_the_same_call_again_before_the_commit_has_its_key_too(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        desk.during = burn
        with pytest.raises(RuntimeError):
            desk.mail(booking)
        desk.during = lambda: None
        desk.mail(booking, text="to the boss")
        desk.mail(booking)
        session.commit()
    assert desk.keys == ["r-1:mail:100", "r-1:mail:101", "r-1:mail:100"]
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow"), (1, 2, "done", "shadow")]


def test_a_call_in_a_savepoint_that_was_taken_back_has_failed(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        nested = session.begin_nested()
        desk.mail(booking)
        nested.rollback()
        session.commit()
    assert rows(bookings, CALLS) == [(1, 1, "failed", "shadow")]


def test_a_call_again_after_its_savepoint_has_the_same_key(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        desk.during = lambda: session.execute(text("SELECT 1 / 0"))
        with pytest.raises(DataError), session.begin_nested():
            desk.mail(booking)
        desk.during = lambda: None
        with session.begin_nested():
            desk.mail(booking)
        session.commit()
    assert desk.keys == ["r-1:mail:100"] * 2
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]


@pytest.mark.parametrize("commits", [True, False], ids=["commits first", "commits last"])
def test_a_call_beyond_the_numbers_of_its_version_has_a_key_of_its_own(desk: Desk, commits: bool) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=commits)
        for n in range(102):
            desk.mail(booking, str(n))
        session.commit()
        desk.move(session, booking)
        desk.mail(booking)
    assert desk.keys[99] == "r-1:mail:199"
    assert len(set(desk.keys)) == 103


def test_what_the_database_refuses_in_observe_never_makes_the_commit_a_rollback(desk: Desk, bookings: str) -> None:
    session = Session(desk.engine)

    def observe(*_: object) -> list[Call]:
        session.execute(text("SELECT 1 / 0"))
        return []

    @desk.strangled.step("audit", on=(), observe=observe)
    def audit(_booking: object, *, key: str) -> str:
        return key

    with session, desk.strangled.unit():
        booking = desk.book(session, commits=False)
        with pytest.raises(DataError):
            audit(booking)  # type: ignore[call-arg]
    assert rows(bookings, "SELECT count(*) FROM booking") == [(0,)]


def test_observing_writes_nothing_that_the_session_holds_back(desk: Desk) -> None:
    with desk.request("r-1") as session:

        def observe(*_: object) -> list[Call]:
            session.execute(text("SELECT 1"))
            return []

        @desk.strangled.step("audit", on=(), observe=observe)
        def audit(_booking: object, *, key: str) -> str:
            return key

        booking = desk.book(session, commits=False)
        held_back = desk.Booking(subject_ref=booking.subject_ref)
        session.add(held_back)
        audit(booking)  # type: ignore[call-arg]
        assert held_back in session.new


def test_a_task_speaks_for_no_other_tasks_step(desk: Desk, bookings: str) -> None:
    def deferred(name: str) -> Any:
        declare = desk.strangled.step(name, on=("BookingMade",), observe=lambda *_: [], deferred=True)
        return declare(lambda _booking, *, key: key)

    sms, push = deferred("sms"), deferred("push")
    with desk.request("r-1") as session:
        desk.mail(desk.book(session))
    query = "SELECT step, state FROM strangler.seam_record WHERE step <> 'mail' ORDER BY step, call"
    with Session(desk.engine) as session, desk.strangled.unit(session.get(desk.Booking, 1), 1):
        sms(session.get(desk.Booking, 1))
    assert rows(bookings, query) == [("sms", "done")]

    def pushing(session: Session) -> None:
        with desk.strangled.unit(session.get(desk.Booking, 1), 1):
            push(session.get(desk.Booking, 1))
            burn()

    with Session(desk.engine) as session, pytest.raises(RuntimeError):
        pushing(session)
    assert rows(bookings, query) == [("push", "done"), ("sms", "done")]


def test_an_engine_with_options_for_each_request_is_one_process(desk: Desk, bookings: str) -> None:
    plain = desk.engine
    for n in range(3):
        desk.engine = plain.execution_options(tenant=n)
        with desk.request(f"r-{n}") as session:
            desk.book(session)
    desk.engine = plain
    assert rows(bookings, "SELECT count(DISTINCT process) FROM strangler.subject_change") == [(1,)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_connection_may_come_with_a_transaction_begun(bookings: str, driver: str) -> None:
    engine = create_engine(engine_of(bookings, driver).url)

    @event.listens_for(engine, "connect")
    def name_it(connection: Any, _record: object) -> None:
        connection.cursor().execute("SET application_name TO 'shop'")

    desk = Desk(engine)
    with desk.request("r-1") as session:
        desk.mail(desk.book(session))
    named = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'shop' AND datname = current_database()"
    assert rows(bookings, named) == [(True,)]
    desk.strangled.close()
    engine.dispose()
    assert rows(bookings, CALLS) == [(1, 1, "done", "shadow")]
    assert rows(bookings, "SELECT process > 0 FROM strangler.subject_change") == [(True,)]


def test_a_column_that_has_counted_before_is_handed_back_from_its_first_change(desk: Desk, bookings: str) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute("INSERT INTO booking (id, status, version) VALUES (17, 'made', 7)")
    with desk.request("booking:17") as session:
        desk.move(session, session.get(desk.Booking, 17))
    due = "SELECT version FROM strangler.unrecorded_changes('booking:17', 'push', '{BookingMoved}', 8)"
    assert rows(bookings, due) == [(8,)]


def test_a_step_that_no_hand_back_could_call_is_refused_where_it_is_declared(desk: Desk) -> None:
    with pytest.raises(BadInput, match="needs number"):

        @desk.strangled.step("sms", on=("BookingMade",), observe=lambda *_: [])
        def sms(_booking: object, number: str, *, key: str) -> str:
            return number + key


def test_a_subject_that_has_left_its_session_is_called_for_and_recorded(desk: Desk, bookings: str) -> None:
    with Session(desk.engine) as session:  # in no unit
        booking = desk.book(session)
        session.refresh(booking)
        session.expunge(booking)
    desk.mail(booking)
    assert desk.keys == ["booking:1:mail:100"]
    assert rows(bookings, CALLS) == [(1, 1, "done", "legacy")]
