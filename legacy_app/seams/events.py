"""The order's events, as payloads: its state after the event, and what happened; and an order drawn from one again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from legacy_app.monolith.models import Cancellation, Order, OrderLine

LINE = ("sku", "description", "quantity", "cancelled", "unit_price_minor")
CLIENT = ("order_ref", "client_ref", "channel", "merchant_id", "customer_id", "country", "placed_at")
FIELDS = (*CLIENT, "status", "total_minor")
Payload = Callable[[], Mapping[str, Any]]


def received(order: Order) -> Payload:
    """Stored, and nothing done yet."""
    return partial(_state, order)


def placed(order: Order) -> Payload:
    return partial(_state, order, cancellation=None)


def cancelled(order: Order, cancellation: Cancellation) -> Payload:
    body = {"cancellation_ref": cancellation.cancellation_ref, "refund_minor": cancellation.refund_minor}
    return partial(_state, order, cancellation=body)


def rejected(order: Order) -> Payload:
    return partial(_state, order, rejection=rejection(order))


def rejection(order: Order) -> dict[str, str | None]:
    """Who refused the order, and the words for the customer."""
    return {"by": order.rejected_by, "reason": order.rejection}


def refused(order: Order) -> dict[str, Any]:
    """What a client is told of a rejected order, beside its fields."""
    return {"rejection": rejection(order), "error": order.rejection} if order.status == "rejected" else {}


def drawn(payload: Mapping[str, Any]) -> Order:
    """The order as it was at the event, in no session."""
    lines = [OrderLine(**line) for line in payload["lines"]]
    return Order(**{name: payload[name] for name in FIELDS}, lines=lines)


def cancellation_of(payload: Mapping[str, Any]) -> Cancellation | None:
    body = payload.get("cancellation")
    return Cancellation(**body) if body else None


def _state(order: Order, **extra: Any) -> Mapping[str, Any]:
    state = {name: getattr(order, name) for name in FIELDS}
    lines = [{name: getattr(line, name) for name in LINE} for line in order.lines]
    return {**state, "currency": "GBP", "lines": lines, **extra}
