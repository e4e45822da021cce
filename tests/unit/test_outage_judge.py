"""The judge of an outage finds what was planted: oversold stock, events that are missing, twice, or out of order."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.event import ReceivedEvent, SourcePosition
from strangler.step.intents import Json
from tests.faults.outage_judge import account, oversold
from tests.support.orders import of_order

WHOLE = ("FraudCleared", "StockReserved", "PaymentTaken", "OrderPlaced")
REFUSED = ("FraudCleared", "StockReserved", "PaymentRefused", "OrderRejected", "StockReleased")


def lives(*told: tuple[str, Sequence[str]]) -> list[ReceivedEvent]:
    """The orders' events, one after the other; each order wants four pieces of A."""
    lines: list[dict[str, Json]] = [
        {"sku": "A", "description": "A", "quantity": 5, "cancelled": 1, "unit_price_minor": 1}
    ]
    types = [(ref, type_) for ref, each in told for type_ in each]
    return [
        ReceivedEvent(of_order(type_, ref, lines=lines), "t", 0, at, SourcePosition("s", at, 0))
        for at, (ref, type_) in enumerate(types)
    ]


def test_whole_lives_are_found_in_order() -> None:
    history = lives(("a", WHOLE), ("b", REFUSED), ("c", ("FraudCleared", "StockRefused", "OrderRejected")))
    assert account(history, ["a", "b", "c"]) == {"lost": 0, "doubled": 0, "inversions": 0}
    assert oversold(history, {"A": 4}, {"A": 4}) == {"A"}, "eight, until b gave its own back"
    assert oversold(history, {"A": 8}, {"A": 4}) == set()


def test_stock_that_the_tables_know_otherwise_is_found() -> None:
    assert oversold(lives(("a", WHOLE)), {"A": 9}, {"A": 3}) == {"A"}


def test_what_is_missing_twice_or_out_of_order_is_counted() -> None:
    history = lives(
        ("unreserved", WHOLE[:1]),
        ("uncharged", WHOLE[:2]),
        ("twice", (*WHOLE[:3], "PaymentTaken")),
        ("early", (WHOLE[0], WHOLE[2], WHOLE[1], WHOLE[3])),
    )
    assert account(history, ["unreserved", "uncharged", "twice", "early"]) == {"lost": 2, "doubled": 1, "inversions": 1}
