"""Order events for tests, written by hand from the contract and not from either side's code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from outbox.event import Event, ReceivedEvent
from strangler.step.intents import Json

LINES: tuple[dict[str, Json], ...] = (
    {"sku": "B2", "description": "Red Mug", "quantity": 2, "cancelled": 0, "unit_price_minor": 300},
    {"sku": "A1", "description": "Tea LIGHT", "quantity": 10, "cancelled": 0, "unit_price_minor": 55},
    {"sku": "C3", "description": "Bunting", "quantity": 1, "cancelled": 0, "unit_price_minor": 495},
)


def payload(order_ref: str, **changes: Json) -> dict[str, Json]:
    """A placed order of customer 17850."""
    return {
        "order_ref": order_ref,
        "client_ref": f"client-{order_ref}",
        "channel": "web",
        "merchant_id": None,
        "customer_id": "17850",
        "country": "United Kingdom",
        "placed_at": "2011-07-01T08:26:00",
        "currency": "GBP",
        "status": "placed",
        "total_minor": 1645,
        "lines": [dict(line) for line in LINES],
        "cancellation": None,
        **changes,
    }


def placed(order_ref: str, owners: str = "", *, version: int = 2, **changes: Json) -> Event:
    """Version 2, after it was received; `owners` as in the ownership header after the epoch: `search=new`."""
    return _event("OrderPlaced", order_ref, version, owners, payload(order_ref, **changes))


def cancelled(order_ref: str, owners: str = "", *, version: int = 3, whole: bool = True, **changes: Json) -> Event:
    """All of the order, or its first line only."""
    lines = [dict(line, cancelled=line["quantity"] if whole or not index else 0) for index, line in enumerate(LINES)]
    body = payload(
        order_ref,
        **{
            "status": "cancelled" if whole else "partly_cancelled",
            "total_minor": 0 if whole else 1045,
            "lines": lines,
            "cancellation": {"cancellation_ref": f"C{version}", "refund_minor": 1645 if whole else 600},
            **changes,
        },
    )
    return _event("OrderCancelled", order_ref, version, owners, body)


MIDDLE = ("fraud", "inventory", "payment")
TELLS = {
    "fraud": ("FraudCleared", "FraudRefused"),
    "inventory": ("StockReserved", "StockRefused"),
    "payment": ("PaymentTaken", "PaymentRefused"),
}
SECOND = ("OrderRejected", "StockReleased", "PaymentRefunded")
TOPICS = {"Order": "order", "Fraud": "fraud", "Stock": "inventory", "Payment": "payment"}
OUTCOMES: dict[str, dict[str, Json]] = {
    "FraudCleared": {"score": 12, "tier": "low", "reason": None, "recent_orders": 2, "recent_minor": 900},
    "FraudRefused": {"score": 95, "tier": "high", "reason": "too risky", "recent_orders": None, "recent_minor": None},
    "StockReserved": {"sold_out": None, "short": 0},
    "StockRefused": {"sold_out": "A1", "short": 3},
    "PaymentTaken": {"charge_id": "ch_1", "amount_minor": 1645, "reason": None},
    "PaymentRefused": {"charge_id": None, "amount_minor": 1645, "reason": "the card was declined"},
}


def of_order(type_: str, order_ref: str, owners: str = "", *, by: str = "legacy", **changes: Json) -> Event:
    """An event of the middle of the chain, of a pending order; `by` said its outcome, or rejected it."""
    body = payload(order_ref, **{"status": "pending", **changes})
    if type_ in OUTCOMES:
        body["outcome"] = {"by": by, **OUTCOMES[type_], **changes.get("outcome", {})}
    if type_ == "OrderRejected":
        body |= {"status": "rejected", "rejection": {"by": by, "reason": "no"}}
    event = _event(type_, order_ref, 2 if type_ in SECOND else 1, owners, body)
    return replace(event, aggregate_type=next(topic for prefix, topic in TOPICS.items() if type_.startswith(prefix)))


def received(events: Sequence[Event]) -> list[ReceivedEvent]:
    """The events as one lane's batch."""
    return [ReceivedEvent(event, "test.order", 0, offset, None) for offset, event in enumerate(events)]


def of_type(event: Event, type_: str) -> Event:
    return replace(event, type=type_)


def _event(type_: str, order_ref: str, version: int, owners: str, body: dict[str, Json]) -> Event:
    ownership = f"epoch=7, {owners}" if owners else "epoch=7"
    context: dict[str, int | str | bool] = {"ownership": ownership, "epoch": 7, "tenant": "shop", "class": "order"}
    return Event("order", order_ref, version, type_, json.dumps(body).encode(), context)
