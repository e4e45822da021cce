"""A step of the middle of an application that commits last: to live and back, nobody pays twice, reconciled at 0."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.conftest import Libraries
from tests.strangers.tour import Tour, touring
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.tour, pytest.mark.timeout(240)]
PAID = "SELECT count(*), count(charge_id), count(receipt) FROM shop_orders WHERE status = 'paid'"
UNDECIDED = "SELECT count(*) FROM shop_orders WHERE status = 'new'"


@dataclass
class Customer:
    """`paid` and `declined` count what must have become of the orders."""

    tour: Tour
    client: requests.Session = field(default_factory=requests.Session)
    paid: int = 0
    declined: int = 0

    def order(self, number: int) -> list[int]:
        """So many that are paid, and one that is declined; the answers' statuses."""
        asked = [*[500] * number, 500_000]
        self.paid, self.declined = self.paid + number, self.declined + 1
        return [self._send({"email": "ann@x.invalid", "cents": cents}) for cents in asked]

    def _send(self, body: dict[str, object]) -> int:
        return self.client.post(self.tour.facade + "/orders", json=body, timeout=30).status_code


def test_a_step_of_the_middle_goes_live_and_back_and_nobody_pays_twice(stack: Stack, libraries: Libraries) -> None:
    with touring(stack, "shop", libraries) as tour:
        customer = Customer(tour)
        assert customer.order(3) == [201, 201, 201, 402]
        tour.advance("payment", "shadow")
        assert customer.order(3) == [201, 201, 201, 402]
        tour.advance("payment", "ramp", ramp="50%")
        customer.order(8)
        tour.advance("payment", "live")
        assert set(customer.order(4)) <= {201, 202, 402}
        wait_until(lambda: tour.rows(UNDECIDED) == [(0,)])
        with tour.paused("payment"):
            assert customer.order(3) == [202, 202, 202, 202]
            tour.strangler("rollback", "payment", "--reason", "tour")
            handed = tour.strangler("hand-back", "payment", "--reason", "tour")
            wait_until(lambda: tour.rows(UNDECIDED) == [(0,)])  # by the resumer alone
        customer.order(2)

        report = tour.reconciled()

        charges = tour.ledger("charges")
        assert handed["handed_back"] == 4, handed
        assert len(charges) == customer.paid
        assert all(one["requests"] == 1 and one["key"] for one in charges)
        assert tour.rows(PAID) == [(customer.paid, customer.paid, customer.paid)]
        assert report["exit"] == 0, report["judgements"]
        assert {one["verdict"] for one in report["judgements"]} == {"failed"}, "the bank's word on those it declined"
