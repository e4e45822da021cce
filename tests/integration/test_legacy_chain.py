"""The chain: an order through all steps, cancellations, refusals, and what the outbox says of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from strangler.local.stack import Stack
from tests.integration.legacy_shop import LINES, OWNED, Shop, mails, open_shop, order, placed


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(stack, tmp_path_factory.mktemp("ledgers")) as opened:
        yield opened


@pytest.fixture
def ref() -> str:
    """An order reference and client reference of this test alone."""
    return f"t-{secrets.token_hex(6)}"


def events(shop: Shop, ref: str) -> list[tuple[Any, ...]]:
    """Of the order itself; the steps of the middle have theirs."""
    sql = "SELECT aggregate_version, type, context, payload FROM outbox.readable WHERE aggregateid = %s"
    return shop.rows(f"{sql} AND aggregatetype = 'order' ORDER BY 1", ref)


def types(shop: Shop, ref: str) -> list[str]:
    return [type_ for _, type_, _, _ in events(shop, ref)]


def test_an_order_runs_through_every_step(shop: Shop, ref: str) -> None:
    answer = shop.place(order(ref, *LINES))

    order_ref = answer.json()["order_ref"]
    assert (answer.status_code, answer.json()) == (
        201,
        {"order_ref": order_ref, "status": "placed", "version": 1, "total_minor": 950},
    )
    shown = shop.rows("SELECT amount_minor FROM legacy.payment WHERE order_ref = %s", order_ref)
    assert shown == [(950,)]
    assert [entry["key"] for entry in shop.ledger("payments") if entry["body"]["order_ref"] == order_ref] == [
        f"{order_ref}:payment:100"
    ]
    assert mails(shop, order_ref) == [(f"{order_ref}:notification:200", "order_confirmation", 950)]
    assert shop.rows("SELECT skus FROM legacy.basket WHERE order_ref = %s", order_ref) == [(["A", "B"],)]
    assert len(shop.rows("SELECT FROM legacy.search_document WHERE order_ref = %s", order_ref)) == 1
    assert len(shop.rows("SELECT FROM legacy.fraud_score WHERE order_ref = %s", order_ref)) == 1


def test_without_a_facade_every_step_is_legacy_and_the_event_says_so(shop: Shop, ref: str) -> None:
    order_ref = shop.place(order(ref, *LINES)).json()["order_ref"]

    received, placing = events(shop, order_ref)
    assert [received[:2], placing[:2]] == [(1, "OrderReceived"), (2, "OrderPlaced")]
    assert received[2] == placing[2] == 'tenant=shop, class=order, ownership="", epoch=0'
    state = {
        "order_ref": order_ref,
        "client_ref": ref,
        "channel": "web",
        "merchant_id": None,
        "customer_id": "17",
        "country": "United Kingdom",
        "placed_at": "2011-06-01T08:26:00",
        "currency": "GBP",
        "status": "placed",
        "total_minor": 950,
        "lines": [
            {"sku": sku, "description": f"The {sku}", "quantity": pieces, "cancelled": 0, "unit_price_minor": pence}
            for sku, pieces, pence in LINES
        ],
    }
    assert json.loads(received[3]) == {**state, "status": "pending"}
    assert json.loads(placing[3]) == {**state, "cancellation": None}


def test_a_cancellation_makes_the_next_version_and_inherits_the_owners(shop: Shop, ref: str) -> None:
    placed(shop, ref, OWNED, channel="marketplace", merchant_id="merchant-1")

    first = shop.cancel(ref, "C1", ("B", 2))
    second = shop.cancel(ref, "C2", ("A", 1), ("B", 1))

    assert first.json() == {"order_ref": ref, "status": "partly_cancelled", "version": 2, "total_minor": 650}
    assert second.json() == {"order_ref": ref, "status": "cancelled", "version": 3, "total_minor": 0}
    found = events(shop, ref)
    assert [(version, kind) for version, kind, _, _ in found] == [
        (1, "OrderReceived"),
        (2, "OrderPlaced"),
        (3, "OrderCancelled"),
        (4, "OrderCancelled"),
    ]
    assert {context for _, _, context, _ in found} == {f'tenant=merchant-1, class=order, ownership="{OWNED}", epoch=3'}
    assert [json.loads(payload)["cancellation"] for _, _, _, payload in found[1:]] == [
        None,
        {"cancellation_ref": "C1", "refund_minor": 300},
        {"cancellation_ref": "C2", "refund_minor": 650},
    ]


def test_the_same_cancellation_again_changes_nothing(shop: Shop, ref: str) -> None:
    placed(shop, ref)

    answers = [shop.cancel(ref, "C1", ("A", 1)) for _ in range(2)]

    assert [(answer.status_code, answer.json()["version"]) for answer in answers] == [(201, 2), (201, 2)]
    assert types(shop, ref) == ["OrderReceived", "OrderPlaced", "OrderCancelled"]


def test_cancelled_pieces_return_to_stock(shop: Shop, ref: str) -> None:
    sku = f"sku-{ref}"
    shop.place(order(ref, (sku, 7, 100)), Strangler_Order_Ref=ref)
    shop.cancel(ref, "C1", (sku, 3))

    assert shop.rows("SELECT on_hand FROM legacy.stock WHERE sku = %s", sku) == [(999_996,)]


@pytest.mark.parametrize(
    ("pieces", "status"), [(("A", 2), 409), (("Z", 1), 409)], ids=["more than ordered", "never ordered"]
)
def test_an_impossible_cancellation_leaves_nothing(shop: Shop, ref: str, pieces: tuple[str, int], status: int) -> None:
    placed(shop, ref)

    assert shop.cancel(ref, "C1", pieces).status_code == status
    assert shop.rows("SELECT version FROM legacy.orders WHERE order_ref = %s", ref) == [(1,)]
    assert types(shop, ref) == ["OrderReceived", "OrderPlaced"]
    assert len(mails(shop, ref)) == 1


def test_a_failing_vendor_rolls_the_order_and_its_event_back(shop: Shop, ref: str) -> None:
    shop.turn("mail", error_share=1)
    try:
        answer = shop.place(order(ref, *LINES), Strangler_Order_Ref=ref)
    finally:
        shop.turn("mail", error_share=0)

    assert answer.status_code == 502
    assert shop.rows("SELECT FROM legacy.orders WHERE client_ref = %s", ref) == []
    assert events(shop, ref) == []
    assert [entry for entry in shop.ledger("payments") if entry["body"]["client_ref"] == ref] != []


def test_a_repeated_reference_gets_the_stored_order_and_charges_nobody(shop: Shop, ref: str) -> None:
    placed(shop, ref)

    again = shop.place(order(ref, *LINES), Strangler_Order_Ref=ref)

    assert (again.status_code, again.json()["total_minor"]) == (201, 950)
    charges = [entry["requests"] for entry in shop.ledger("payments") if entry["body"]["client_ref"] == ref]
    assert charges == [1]
    assert types(shop, ref) == ["OrderReceived", "OrderPlaced"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "channel"),
        ([], "JSON object"),
        (order("x", ("A", 0, 1)), "quantity"),
        (order("x", ("A", 1, 0)), "unit_price_minor"),
        (order("x", ("A\x00", 1, 1)), "sku"),
        (order("x", ("A", 1, 1), channel="fax"), "channel"),
        (order("x", ("A", 1, 1), placed_at="noon"), "placed_at"),
        (order("\ud800", ("A", 1, 1)), "client_ref"),
        (order("x"), "lines"),
    ],
)
def test_a_malformed_order_is_a_400_that_names_the_field(shop: Shop, body: object, says: str) -> None:
    answer = shop.post("/orders", body)

    assert answer.status_code == 400
    assert says in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Strangler_Ownership": "epoch=now"},
        {"Strangler_Ownership": "search=mine, epoch=1"},
        {"Strangler_Ownership": "}{"},
        {"Strangler_Order_Ref": "x" * 129},
    ],
)
def test_headers_of_the_facade_that_cannot_be_read_are_refused(shop: Shop, headers: dict[str, str]) -> None:
    assert shop.place(order("x", *LINES), **headers).status_code == 400


def test_an_unknown_order_is_a_404(shop: Shop) -> None:
    assert shop.cancel("nobody", "C1", ("A", 1)).status_code == 404
    assert shop.hand_back("search", "nobody").status_code == 404
