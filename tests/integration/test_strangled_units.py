"""Units of work that are not a request: a worker's for a change of another process, and a session outside of any."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.integration.booking_desk import Desk


def test_a_deferred_step_of_a_change_from_before_the_pinning_is_legacys(desk: Desk, bookings: str) -> None:
    @desk.strangled.step("report", on=("BookingMade",), observe=lambda *_: [], deferred=True)
    def report(_booking: object, *, key: str) -> str:
        return key

    with desk.request() as session:  # by no facade
        desk.mail(desk.book(session))
    with desk.request("booking:1", "epoch=4, report=new") as session:
        desk.move(session, session.get(desk.Booking, 1))
    with Session(desk.engine) as session:
        booking = session.get(desk.Booking, 1)
        with desk.strangled.unit(booking, 1):
            assert report(booking) == "booking:1:report:100"  # type: ignore[call-arg]
        with desk.strangled.unit(booking, 2):
            assert report(booking) is None  # type: ignore[call-arg]


def test_outside_of_any_unit_what_is_kept_of_a_sessions_changes_is_bounded(
    desk: Desk, bookings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strangler.seam.unit.MOST_COMMITTED", 10)
    with Session(desk.engine) as session:
        made = [desk.book(session) for _ in range(50)]
        kept = desk.strangled._outside[session]._changes
        assert 10 <= len(kept) <= 20
        assert kept[-1].ref == made[-1].subject_ref
        assert {change.payload for change in kept} == {None}, "committed"
        desk.mail(made[0])
        desk.mail(made[-1])
    assert desk.keys == ["booking:1:mail:100", "booking:50:mail:100"]
