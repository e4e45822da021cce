"""The order's events, as the monolith's side appends them: always in the transaction that makes them true."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from legacy_app.models import Cancellation, Order, OrderLine
from outbox import Event, append
from strangler.ownership import Ownership
from strangler.seam.segment import current

# Cleared and refused, by step of the middle: the types that both sides give their outcomes.
OUTCOMES: Mapping[str, tuple[str, str]] = {
    "fraud": ("FraudCleared", "FraudRefused"),
    "inventory": ("StockReserved", "StockRefused"),
    "payment": ("PaymentTaken", "PaymentRefused"),
}


def append_received(session: Session, order: Order) -> None:
    """For every order, when it is stored first: what the new side's first step of the middle acts on."""
    if not current().again:
        append(session, _event(order, "intake", "OrderReceived", {"status": "pending"}))


def append_outcome(session: Session, order: Order, step: str, outcome: Mapping[str, Any], *, refused: bool) -> None:
    """What a step of the middle came to that the monolith ran."""
    extra = {"status": "pending", "outcome": {"by": "legacy", **outcome}}
    append(session, _event(order, step, OUTCOMES[step][refused], extra))


def append_placed(session: Session, order: Order) -> None:
    """The order's first event, in the order's own transaction."""
    append(session, _event(order, "order", "OrderPlaced", {"cancellation": None}))


def append_rejected(session: Session, order: Order) -> None:
    """Instead of `OrderPlaced`, once an order that was stored as pending is refused: steps that acted compensate."""
    append(session, _event(order, "order", "OrderRejected", {"rejection": rejection(order)}))


def append_cancelled(session: Session, order: Order, cancellation: Cancellation) -> None:
    """The version was taken under the order's row lock, which this transaction holds."""
    body = {"cancellation_ref": cancellation.cancellation_ref, "refund_minor": cancellation.refund_minor}
    append(session, _event(order, "order", "OrderCancelled", {"cancellation": body}))


def rejection(order: Order) -> dict[str, str | None]:
    """Who refused the order, and the words for the customer."""
    return {"by": order.rejected_by, "reason": order.rejection}


def _event(order: Order, topic: str, type_: str, extra: Mapping[str, Any]) -> Event:
    payload = json.dumps({**_state(order), **extra}, ensure_ascii=False, separators=(",", ":"))
    return Event(
        aggregate_type=topic,
        aggregate_id=order.order_ref,
        aggregate_version=order.version,
        type=type_,
        payload=payload.encode(),
        context={
            "ownership": order.ownership,
            "epoch": Ownership.from_header(order.ownership).epoch,
            "tenant": _tenant(order),
            "class": "order",
        },
    )


def _tenant(order: Order) -> str:
    """A merchant's name travels in a header: one that cannot is told apart by no more than that."""
    merchant_id = order.merchant_id or "shop"
    return merchant_id if merchant_id.isascii() and merchant_id.isprintable() else "unprintable"


def _state(order: Order) -> dict[str, Any]:
    return {
        "order_ref": order.order_ref,
        "client_ref": order.client_ref,
        "channel": order.channel,
        "merchant_id": order.merchant_id,
        "customer_id": order.customer_id,
        "country": order.country,
        "placed_at": order.placed_at,
        "currency": "GBP",
        "status": order.status,
        "total_minor": order.total_minor,
        "lines": [_line(line) for line in order.lines],
    }


def _line(line: OrderLine) -> dict[str, Any]:
    return {
        "sku": line.sku,
        "description": line.description,
        "quantity": line.quantity,
        "cancelled": line.cancelled,
        "unit_price_minor": line.unit_price_minor,
    }
