"""A tail step of an application that commits first, with integer ids and a login: to live and back, reconciled at 0."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.conftest import Libraries
from tests.strangers.tour import Tour, touring
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.tour, pytest.mark.timeout(240)]
FROM_BEFORE = """
INSERT INTO bookings (email, desk, day, total_cents, status)
VALUES ('old@example.invalid', 'door', '2011-05-01', 2450, 'booked')"""


@dataclass
class Customer:
    """A logged-in user of the desk; `mails` counts what he must have been sent."""

    tour: Tour
    client: requests.Session = field(default_factory=requests.Session)
    days: count[int] = field(default_factory=count)
    mails: int = 0

    def __post_init__(self) -> None:
        assert self._send("POST", "/login", data={"user": "ann"}).status_code == 200

    def book(self, number: int) -> list[int]:
        made = []
        for _ in range(number):
            day = f"2011-{1 + next(self.days):04d}"
            answer = self._send("POST", "/checkout", json={"email": "ann@x.invalid", "desk": "window", "day": day})
            assert answer.status_code == 201, answer.text
            made.append(answer.json()["id"])
        self.mails += number
        return made

    def change(self, booking: int) -> None:
        moved = self._send("PATCH", f"/bookings/{booking}", json={"day": "2011-12-24"})
        cancelled = self._send("POST", f"/bookings/{booking}/cancel")
        assert [moved.status_code, cancelled.status_code] == [200, 200], (moved.text, cancelled.text)
        self.mails += 2

    def _send(self, method: str, path: str, **given: object) -> requests.Response:
        return self.client.request(method, self.tour.facade + path, timeout=30, **given)  # type: ignore[arg-type]


def test_a_tail_step_goes_live_and_back_and_nobody_misses_a_mail(stack: Stack, libraries: Libraries) -> None:
    with touring(stack, "desk", libraries, existing=FROM_BEFORE) as tour:
        customer = Customer(tour)
        legacy = customer.book(3)
        tour.advance("mail", "shadow")
        customer.change(customer.book(3)[0])
        tour.advance("mail", "ramp", ramp="50%")
        customer.change(customer.book(8)[0])
        tour.advance("mail", "live")
        customer.change(customer.book(4)[0])
        customer.change(legacy[0])
        customer.change(1)  # was there before us
        wait_until(lambda: len(tour.ledger("messages")) == customer.mails)
        with tour.paused("mail"):
            customer.change(customer.book(3)[0])
            tour.strangler("rollback", "mail", "--reason", "tour")
            handed = tour.strangler("hand-back", "mail", "--reason", "tour")
            assert len(tour.ledger("messages")) == customer.mails, "at once, each of its own event"
        customer.change(customer.book(2)[0])

        report = tour.reconciled()

        mails = tour.ledger("messages")
        assert handed["handed_back"] == 3, handed
        assert sorted(mail["key"] for mail in mails) == keys_due(tour)
        assert len(mails) == customer.mails
        assert all(mail["requests"] == 1 for mail in mails)
        assert report["exit"] == 0, report["judgements"]
        assert not report["judgements"]


def keys_due(tour: Tour) -> list[str]:
    """One for each change of each booking, the same from either side."""
    versions = tour.rows("SELECT subject_ref, version FROM bookings WHERE version > 0")
    return sorted(f"{ref}:mail:{100 * number}" for ref, version in versions for number in range(1, version + 1))
