"""`created` and `changed`: version, reference, owners, event and process, in the subject's own transaction."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from strangler.errors import BadInput
from strangler.seam.pinned import Unreadable
from tests.integration.booking_desk import OWNERS, REF, SHADOW, Desk
from tests.integration.contexts import rows

EVENTS = """
SELECT aggregatetype, aggregateid, aggregate_version, type, convert_from(payload, 'UTF8'), context, traceparent
FROM outbox.outbox ORDER BY aggregateid, aggregate_version"""
LIVING = """SELECT c.subject_ref, c.version, c.type, l.granted FROM strangler.subject_change c
LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.classid = 21332 AND l.objsubid = 2 AND l.objid = c.process::oid
ORDER BY c.version"""


def test_what_is_created_has_version_1_and_what_the_facade_has_pinned(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        desk.headers["traceparent"] = "00-ab"
        booking = desk.book(session)
        assert (booking.subject_ref, booking.version, booking.ownership) == ("r-1", 1, SHADOW)
    [event] = rows(bookings, EVENTS)
    assert event == (
        *("booking", "r-1", 1, "BookingMade", '{"id":1,"status":"made"}'),
        'ownership="epoch=4, mail=shadow", epoch=4',
        "00-ab",
    )
    assert rows(bookings, LIVING) == [("r-1", 1, "BookingMade", True)]
    assert rows(bookings, "SELECT kind, native_id, subject_ref FROM strangler.subject_alias") == [
        ("booking", "1", "r-1")
    ]
    assert rows(bookings, "SELECT epoch FROM strangler.subject_change") == [(4,)]
    assert rows(bookings, "SELECT c.event = o.id FROM strangler.subject_change c, outbox.outbox o") == [(True,)]


def test_without_the_facade_a_subject_is_named_by_the_applications_id(desk: Desk, bookings: str) -> None:
    with desk.request() as session:
        booking = desk.book(session)
        assert (booking.subject_ref, booking.version, booking.ownership) == ("booking:1", 1, "")
    assert rows(bookings, "SELECT epoch FROM strangler.subject_change") == [(0,)]


def test_a_rollback_leaves_nothing_and_the_same_object_can_be_made_again(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        session.rollback()
        assert rows(bookings, "SELECT FROM outbox.outbox UNION ALL SELECT FROM strangler.subject_change") == []
        session.add(booking)
        desk.strangled.created(booking, "BookingMade", {})
        session.commit()
    assert rows(bookings, "SELECT subject_ref, version FROM booking") == [("r-1", 1)]


def test_a_subject_that_was_flushed_before_is_created_all_the_same(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        booking = desk.Booking(email="a")
        session.add(booking)
        session.flush()
        desk.strangled.created(booking, "BookingMade", b"{}")
        session.commit()
    assert rows(bookings, "SELECT subject_ref, version, ownership FROM booking") == [("r-1", 1, SHADOW)]


def test_created_is_refused_for_what_was_created_before(desk: Desk) -> None:
    with desk.request("r-1") as session:
        booking = desk.book(session)
        with pytest.raises(BadInput, match="has version 1, it was created before; tell of it by `changed`"):
            desk.strangled.created(booking, "BookingMade", {})


def test_several_subjects_of_one_request_are_its_parts(desk: Desk, bookings: str) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute(
            "INSERT INTO strangler.ownership (subject_ref, epoch, owners) VALUES ('r-1', 4, %s)", (SHADOW,)
        )
    with desk.request("r-1") as session:
        for part in (1, 2):
            booking = desk.Booking(email=str(part))
            session.add(booking)
            desk.strangled.created(booking, "BookingMade", {}, part=part)
        session.commit()
    assert rows(bookings, "SELECT subject_ref, version, ownership FROM booking ORDER BY id") == [
        ("r-1.1", 1, SHADOW),
        ("r-1.2", 1, SHADOW),
    ]
    assert rows(bookings, "SELECT count(*) FROM strangler.ownership") == [(3,)]


def test_a_change_takes_the_next_version_under_the_rows_lock(desk: Desk, bookings: str) -> None:
    with desk.request("r-1") as session:
        desk.book(session)
    with desk.request("r-1") as session:
        booking = session.get(desk.Booking, 1)
        assert booking is not None
        booking.status = "moved"
        with psycopg.connect(bookings) as other:  # between the application's read and its write
            other.execute("UPDATE booking SET version = 2, email = 'new'")
        desk.strangled.changed(booking, "BookingMoved", lambda: {"email": booking.email, "status": booking.status})
        assert booking.version == 3
        session.commit()
    assert rows(bookings, EVENTS)[1][2:5] == (3, "BookingMoved", '{"email":"new","status":"moved"}')


def test_a_subject_from_before_is_pinned_by_its_first_change(desk: Desk, bookings: str) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute("INSERT INTO booking (id, email) VALUES (17, 'a'), (18, 'b')")
        connection.execute("SELECT strangler.pin_alias('booking', '18')")  # as the facade does
    for number, ref in ((17, None), (18, "booking:18")):
        with desk.request(ref) as session:
            desk.move(session, session.get(desk.Booking, number))
    assert rows(bookings, "SELECT subject_ref, version, ownership FROM booking ORDER BY id") == [
        ("booking:17", 1, ""),
        ("booking:18", 1, SHADOW),
    ]
    assert [row[:3] for row in rows(bookings, EVENTS)] == [("booking", f"booking:{n}", 1) for n in (17, 18)]


def test_owners_that_stand_with_the_subject_are_kept(desk: Desk, bookings: str) -> None:
    with desk.request("r-1", "epoch=5") as session:
        desk.book(session)
    with desk.request("r-1", "epoch=6, mail=new") as session:  # a hand-back came between pinning and request
        desk.move(session, session.get(desk.Booking, 1))
    assert rows(bookings, "SELECT version, ownership FROM booking") == [(2, "epoch=5")]


def test_what_cannot_be_read_is_refused_and_never_guessed(desk: Desk) -> None:
    for headers in ({REF: "a\n"}, {REF: "a", OWNERS: "epoch=x"}):
        with desk.request("r-1") as session:
            desk.headers = headers
            with pytest.raises(Unreadable):
                desk.book(session)


def test_a_subject_in_no_session_is_refused(desk: Desk) -> None:
    with pytest.raises(BadInput, match="is in no session; add it"):
        desk.strangled.created(desk.Booking(), "BookingMade", {})


def test_a_model_without_the_columns_is_told_how_to_name_them(desk: Desk) -> None:
    with pytest.raises(BadInput, match=r"has no attribute 'reference'; let it inherit .* strangled\.map"):
        desk.strangled.map(desk.Booking, ref="reference")


def test_columns_of_the_applications_own_names_do_as_well(desk: Desk, bookings: str) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute("ALTER TABLE booking ALTER ownership DROP NOT NULL, ALTER ownership DROP DEFAULT")
    desk.strangled.map(desk.Booking, id="email")
    with desk.request("r-1") as session:
        desk.book(session)
        session.execute(text("UPDATE booking SET ownership = NULL"))
        desk.move(session, session.get(desk.Booking, 1))
    assert rows(bookings, "SELECT native_id FROM strangler.subject_alias") == [("ann@example.invalid",)]
    assert rows(bookings, "SELECT version, ownership FROM booking") == [(2, SHADOW)]


def test_a_role_that_may_not_record_is_told_before_anything_is_lost(desk: Desk, bookings: str) -> None:
    with psycopg.connect(bookings) as connection:
        connection.execute("DROP FUNCTION strangler.record_seam")
    with (
        desk.request("r-1") as session,
        pytest.raises(Exception, match=r"no strangler.record_seam; run: strangler mig"),
    ):
        desk.book(session)
    assert rows(bookings, "SELECT FROM booking") == []


def test_a_session_of_any_kind_will_do(desk: Desk) -> None:
    """A change outside of any unit is told as well; its steps are recorded, only what was not called is not said."""
    desk.headers = {REF: "r-9"}
    with Session(desk.engine) as session:
        booking = desk.book(session)
        assert desk.mail(booking) == {"to": "ann@example.invalid", "text": "hello"}
    assert desk.keys == ["r-9:mail:100"]
