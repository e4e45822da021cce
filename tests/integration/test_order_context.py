"""The order projection: where each order stands, however its topics overtake each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import pytest

from outbox.consumer.handler import Disposition, Poison
from tests.integration.contexts import rows
from tests.integration.middle import handle
from tests.support.orders import cancelled, of_order, of_type, placed

APPLIED, DUPLICATE = Disposition.APPLIED, Disposition.DUPLICATE
STANDS = "SELECT state, waits_for, deadline_at IS NOT NULL FROM ordering.progress"
PATH = ["OrderReceived", "FraudCleared", "StockReserved", "PaymentTaken"]


def test_an_order_waits_for_one_step_after_the_other_until_it_is_placed(database: str) -> None:
    expected = [("received", "fraud"), ("cleared", "inventory"), ("reserved", "payment"), ("paid", "order")]
    for type_, (state, step) in zip(PATH, expected, strict=True):
        assert handle(database, "order", of_order(type_, "a")) == [APPLIED]
        assert rows(database, STANDS) == [(state, [step], True)]
    handle(database, "order", placed("a"))
    assert rows(database, STANDS) == [("placed", [], False)]
    handle(database, "order", cancelled("a", whole=False), cancelled("a", version=4))
    assert rows(database, STANDS) == [("cancelled", [], False)]


def test_every_order_of_arrival_leads_to_the_same_place(database: str) -> None:
    types = [*PATH[1:], "OrderPlaced"]
    arrivals = list(permutations(types))
    for number, arrival in enumerate(arrivals):
        ref = f"o{number}"
        handle(
            database, "order", *[placed(ref) if type_ == "OrderPlaced" else of_order(type_, ref) for type_ in arrival]
        )
    found = rows(database, "SELECT state, version, waits_for, seen FROM ordering.progress")
    assert found == [("placed", 2, [], sorted(types))] * len(arrivals)


def test_a_repeat_changes_nothing(database: str) -> None:
    events = [of_order("OrderReceived", "a"), placed("a"), cancelled("a", whole=False)]
    assert handle(database, "order", *events) == [APPLIED] * 3
    before = rows(database, "TABLE ordering.progress")
    assert handle(database, "order", *events, events[2]) == [DUPLICATE] * 4
    assert rows(database, "TABLE ordering.progress") == before


def test_a_refused_order_waits_for_its_rejection_and_then_for_what_is_taken_back(database: str) -> None:
    owners = "inventory=new, payment=new"
    handle(database, "order", of_order("StockReserved", "a", owners), of_order("PaymentRefused", "a", owners))
    assert rows(database, STANDS) == [("refused", ["order"], True)]
    handle(database, "order", of_order("OrderRejected", "a", owners, by="payment"))
    assert rows(database, STANDS) == [("rejected", ["inventory"], True)]
    handle(database, "order", of_order("StockReleased", "a", owners))
    assert rows(database, STANDS) == [("rejected", [], False)]


@pytest.mark.parametrize(
    ("owners", "by", "waits_for"),
    [
        ("", "payment", []),
        ("inventory=shadow", "payment", []),
        ("inventory=new, payment=new", "fraud", []),
        ("inventory=new, payment=new", "deadline", ["inventory", "payment"]),
    ],
)
def test_only_what_the_new_side_did_is_taken_back_by_it(
    database: str, owners: str, by: str, waits_for: list[str]
) -> None:
    handle(database, "order", of_order("OrderRejected", "a", owners, by=by))
    assert rows(database, STANDS) == [("rejected", waits_for, bool(waits_for))]


def test_lanes_of_five_topics_meet_on_new_orders_and_lose_nothing(database: str) -> None:
    refs = [f"o{number:02}" for number in range(40)]

    def topic(type_: str) -> None:
        for start in range(0, len(refs), 8):
            some = refs[start : start + 8] if type_ != "FraudCleared" else refs[start : start + 8][::-1]
            handle(database, "order", *[placed(r) if type_ == "OrderPlaced" else of_order(type_, r) for r in some])

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(topic, [*PATH, "OrderPlaced"]))
    found = rows(database, "SELECT DISTINCT state, seen FROM ordering.progress")
    assert found == [("placed", sorted([*PATH, "OrderPlaced"]))]


def test_an_event_that_nobody_knows_is_poison(database: str) -> None:
    with pytest.raises(Poison, match="unknown event type"):
        handle(database, "order", of_order("OrderReceived", "a"), of_type(placed("a"), "OrderShipped"))
