"""Inventory on real PostgreSQL: all of an order or nothing, given back once, never oversold."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from outbox.consumer.handler import Disposition
from strangler.step.intents import Json
from tests.integration.contexts import rows
from tests.integration.middle import handle, told
from tests.support.orders import cancelled, of_order

APPLIED, DUPLICATE, NOT_OWNER = Disposition.APPLIED, Disposition.DUPLICATE, Disposition.NOT_OWNER
HELD = "SELECT order_ref, version, pieces FROM inventory.reservation ORDER BY 1"
TAKEN = "SELECT sku, 1000000 - on_hand FROM legacy.stock WHERE on_hand <> 1000000 ORDER BY 1"
ALL = {"A1": 10, "B2": 2, "C3": 1}
OWNED = "inventory=new"


def stock(dsn: str, **on_hand: int) -> None:
    with psycopg.connect(dsn) as connection:
        for sku, pieces in on_hand.items():
            connection.execute("INSERT INTO legacy.stock (sku, on_hand) VALUES (%s, %s)", (sku, pieces))


def line(sku: str, quantity: int) -> dict[str, Json]:
    return {"sku": sku, "description": sku, "quantity": quantity, "cancelled": 0, "unit_price_minor": 5}


def test_a_batch_reserves_all_of_an_order_or_nothing(database: str) -> None:
    stock(database, A1=15)
    events = [of_order("FraudCleared", ref, OWNED, by="new") for ref in ("a", "b")]
    assert handle(database, "inventory", *events) == [APPLIED, APPLIED]
    assert rows(database, HELD) == [("a", 1, ALL)]
    assert told(database, "inventory") == [
        ("a", 1, "StockReserved", {"sold_out": None, "short": 0}),
        ("b", 1, "StockRefused", {"sold_out": "A1", "short": 5}),
    ]
    assert handle(database, "inventory", *events) == [DUPLICATE, DUPLICATE]
    assert rows(database, "SELECT on_hand FROM legacy.stock WHERE sku = 'A1'") == [(5,)]


def test_a_cancellation_gives_back_its_pieces_once(database: str) -> None:
    handle(database, "inventory", of_order("FraudCleared", "a", OWNED))
    for _ in range(2):
        handle(database, "inventory", cancelled("a", OWNED, whole=False))
        assert rows(database, HELD) == [("a", 3, {"A1": 10, "C3": 1})]
        assert rows(database, TAKEN) == [("A1", 10), ("C3", 1)]
    handle(database, "inventory", cancelled("a", OWNED, version=4), cancelled("a", OWNED, version=5))
    assert rows(database, HELD) == [("a", 5, {})]
    assert rows(database, TAKEN) == []


def test_a_rejected_order_gives_all_back_once_and_says_so(database: str) -> None:
    rejected = of_order("OrderRejected", "a", OWNED, by="payment")
    handle(database, "inventory", of_order("FraudCleared", "a", OWNED))
    assert handle(database, "inventory", rejected, rejected) == [APPLIED, DUPLICATE]
    assert rows(database, HELD) == [("a", 2, {})]
    assert rows(database, TAKEN) == []
    assert told(database, "inventory")[1:] == [("a", 2, "StockReleased", {"pieces": 13})]
    assert rows(database, "SELECT number FROM inventory.claim ORDER BY 1") == [(100,), (200,)]


def test_a_rejection_that_overtakes_its_order_keeps_stock_from_being_taken(database: str) -> None:
    handle(database, "inventory", of_order("OrderRejected", "a", OWNED, by="deadline"))
    handle(database, "inventory", of_order("FraudCleared", "a", OWNED))
    assert rows(database, TAKEN) == []
    assert told(database, "inventory") == [
        ("a", 1, "StockRefused", {"sold_out": None, "short": 0}),
        ("a", 2, "StockReleased", {"pieces": 0}),
    ]


@pytest.mark.parametrize("by", ["fraud", "inventory"])
def test_a_rejection_before_anything_was_reserved_leaves_no_row(database: str, by: str) -> None:
    assert handle(database, "inventory", of_order("OrderRejected", "a", OWNED, by=by)) == [APPLIED]
    assert rows(database, HELD) == []
    assert told(database, "inventory") == []


def test_refusals_and_other_owners_leave_no_trace(database: str) -> None:
    events = [
        of_order("FraudRefused", "a", OWNED),
        of_order("FraudCleared", "b"),
        of_order("FraudCleared", "c", "inventory=shadow"),
        of_order("StockReserved", "d", OWNED, by="new"),
        of_order("OrderRejected", "e", "inventory=shadow", by="payment"),
    ]
    assert handle(database, "inventory", *events) == [NOT_OWNER] * 5
    assert rows(database, "TABLE inventory.claim") == rows(database, "TABLE inventory.intent") == []


def test_beside_legacy_what_the_order_holds_is_recorded(database: str) -> None:
    events = of_order("StockReserved", "a", "inventory=shadow"), cancelled("a", "inventory=shadow")
    assert handle(database, "inventory", *events) == [Disposition.RECORDED] * 2
    recorded = rows(database, "SELECT version, intents -> 0 -> 'body' -> 'pieces' FROM inventory.intent ORDER BY 1")
    assert recorded == [(1, ALL), (3, {})]
    assert rows(database, HELD) == rows(database, TAKEN) == []


def test_a_hot_sku_is_never_oversold_by_lanes_side_by_side(database: str) -> None:
    """Six lanes reserve, cancel and reject orders that share SKUs in other orders; stock and holds add up."""
    rng = random.Random(7)
    initial = {"hot": 300, "X1": 120, "X2": 120, "X3": 120}
    stock(database, **initial)
    refs = [f"o{number:03}" for number in range(240)]
    basket = {ref: rng.sample(["X1", "X2", "X3"], 2) for ref in refs}

    def lines(ref: str) -> list[dict[str, Json]]:
        return [line(sku, 3) for sku in [basket[ref][0], "hot", basket[ref][1]]]

    def lane(number: int) -> None:
        mine = refs[number::6]
        for start in range(0, len(mine), 8):
            some = mine[start : start + 8]
            handle(database, "inventory", *[of_order("FraudCleared", ref, OWNED, lines=lines(ref)) for ref in some])
            gone = [dict(each, cancelled=3) for each in lines(some[0])]
            handle(
                database,
                "inventory",
                cancelled(some[0], OWNED, lines=gone),
                *[of_order("OrderRejected", ref, OWNED, by="payment", lines=lines(ref)) for ref in some[1:3]],
            )

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lane, range(6)))
    left = dict(rows(database, "SELECT sku, on_hand FROM legacy.stock"))
    holds = dict(rows(database, "SELECT sku, sum(pieces)::bigint FROM inventory.stock_hold GROUP BY 1"))
    held = dict(
        rows(
            database,
            "SELECT key, sum(value::bigint)::bigint FROM inventory.reservation, jsonb_each_text(pieces) GROUP BY 1",
        )
    )
    assert {sku: left[sku] + holds[sku] for sku in initial} == initial
    assert held == {sku: pieces for sku, pieces in holds.items() if pieces}
    assert min(left.values()) >= 0
    outcomes = [type_ for _, _, type_, _ in told(database, "inventory") if type_ != "StockReleased"]
    assert len(outcomes) == len(refs)
    assert outcomes.count("StockRefused") > 0
