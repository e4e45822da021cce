"""The middle as a whole, without Kafka: events go from the outbox to the contexts that read them until none is left."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from uuid import UUID

import psycopg

from legacy_app.vendors.answers import LARGE_MINOR, risk
from outbox.consumer.handler import Disposition
from outbox.event import Event
from outbox.structured import parse_dictionary
from strangler.step.intents import Json
from tests.integration.contexts import rows
from tests.integration.middle import handle, sending
from tests.support.orders import of_order
from tests.support.services import SERVICES, vendors_at
from tests.support.vendors_server import Vendors
from tests.support.waiting import wait_until

CONTEXTS = ("fraud", "inventory", "payment", "order")
TOLD = (
    "SELECT id, aggregatetype, aggregateid, aggregate_version, type, payload, context FROM outbox.readable ORDER BY id"
)
UNDER_WAY = " UNION ALL ".join(f"SELECT FROM {name}.effect WHERE ended_at IS NULL" for name in ("fraud", "payment"))
STANDS = "SELECT order_ref, state, waits_for FROM ordering.progress ORDER BY order_ref"
ALL_NEW = "fraud=new, inventory=new, payment=new"


class Log:
    """What the relay and Kafka would do: every event to every context that reads its topic, once."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._given: set[UUID] = set()

    def pump(self) -> bool:
        """Hand over what is new; whether there was anything."""
        new = [row for row in rows(self._dsn, TOLD) if row[0] not in self._given]
        for id_, topic, ref, version, type_, payload, context in new:
            self._given.add(id_)
            self.give(Event(topic, ref, version, type_, payload.encode(), parse_dictionary(context)))
        return bool(new)

    def give(self, event: Event) -> dict[str, Disposition]:
        readers = [name for name in CONTEXTS if event.aggregate_type in (SERVICES[name].topics or ())]
        return {name: handle(self._dsn, name, event)[0] for name in readers}

    def quiet(self) -> bool:
        return not self.pump() and rows(self._dsn, UNDER_WAY) == []

    def settle(self) -> None:
        wait_until(lambda: self.quiet() and self.quiet())


def risky(low: int) -> int:
    """An amount of customer 17850 that scores from `low` on."""
    return next(amount for amount in range(LARGE_MINOR, LARGE_MINOR + 1_000) if risk("17850", amount) >= low)


def test_an_order_goes_through_the_middle_and_is_taken_back_when_it_is_rejected(
    database: str, vendors: Vendors, a: str
) -> None:
    orders: Mapping[str, dict[str, Json]] = {
        f"{a}-good": {},
        f"{a}-risky": {"total_minor": risky(90)},
        f"{a}-sold-out": {"lines": [dict(of_line, quantity=9) for of_line in ONE_LINE]},
    }
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO legacy.stock (sku, on_hand) VALUES ('rare', 8)")
    log = Log(database)
    with ExitStack() as stack:
        stack.enter_context(sending(database, "fraud", vendors_at(vendors.url, "fraud")))
        stack.enter_context(sending(database, "payment", vendors_at(vendors.url, "payment")))
        for ref, changes in orders.items():
            log.give(of_order("OrderReceived", ref, ALL_NEW, **changes))
        log.settle()
        assert rows(database, STANDS) == [
            (f"{a}-good", "paid", ["order"]),
            (f"{a}-risky", "refused", ["order"]),
            (f"{a}-sold-out", "refused", ["order"]),
        ]
        for ref, by in ((f"{a}-good", "deadline"), (f"{a}-risky", "fraud"), (f"{a}-sold-out", "inventory")):
            log.give(of_order("OrderRejected", ref, ALL_NEW, by=by))
        log.settle()
    assert rows(database, STANDS) == [(ref, "rejected", []) for ref in sorted(orders)]
    assert [vendors.asked("payments", ref) for ref in orders] == [{f"{a}-good:payment:100": 1}, {}, {}]
    assert vendors.asked("refunds", f"{a}-good") == {f"{a}-good:payment:100": 1}
    assert rows(database, "SELECT state FROM payment.payment") == [("refunded",)]
    assert rows(database, "SELECT order_ref, pieces FROM inventory.reservation") == [(f"{a}-good", {})]
    assert rows(database, "SELECT DISTINCT sku, on_hand FROM legacy.stock WHERE on_hand NOT IN (8, 1000000)") == []


ONE_LINE = ({"sku": "rare", "description": "", "cancelled": 0, "unit_price_minor": 5},)


def test_each_step_goes_on_from_what_legacy_did_before_it(database: str, vendors: Vendors, a: str) -> None:
    log = Log(database)
    with sending(database, "payment", vendors_at(vendors.url, "payment")):
        for type_ in ("OrderReceived", "FraudCleared"):
            log.give(of_order(type_, a, "inventory=new, payment=new"))
        log.settle()
    assert rows(database, STANDS) == [(a, "paid", ["order"])]
    types = [row[4] for row in rows(database, TOLD)]
    assert sorted(types) == ["PaymentTaken", "StockReserved"]
    assert rows(database, "TABLE fraud.claim") == []
