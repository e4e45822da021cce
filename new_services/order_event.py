"""The order's events as the contexts read them: parsed once, refused with a clear error, never guessed. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from new_services.fields import mapping, optional_text, optional_whole, text, whole
from new_services.order_state import Order, read_order
from outbox import Event
from outbox.errors import Undecodable
from strangler.service import Intent, Json

SOLD = ("OrderPlaced", "OrderCancelled")


@dataclass(frozen=True, slots=True)
class OrderReceived:
    """Stored, and nothing done yet."""

    order: Order


@dataclass(frozen=True, slots=True)
class FraudDecided:
    """`FraudCleared` or `FraudRefused`; no score where the scorer gave none.

    `recent_orders`, `recent_minor`: what the customer had ordered in the hour before; None of a guest, or not asked.
    """

    order: Order
    cleared: bool
    score: int | None
    tier: str
    recent_orders: int | None = None
    recent_minor: int | None = None


@dataclass(frozen=True, slots=True)
class StockDecided:
    """`StockReserved` or `StockRefused`: the order holds all its pieces, or none."""

    order: Order
    reserved: bool


@dataclass(frozen=True, slots=True)
class PaymentDecided:
    """`PaymentTaken` or `PaymentRefused`; a charge has an id."""

    order: Order
    taken: bool
    charge_id: str | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Compensated:
    """`StockReleased` or `PaymentRefunded`: a step has taken back what it had done for a rejected order."""

    order: Order
    step: str


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    order: Order


@dataclass(frozen=True, slots=True)
class OrderRejected:
    """Instead of `OrderPlaced`; `by` is the step that refused, or what else ended the order."""

    order: Order
    by: str


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """Lines were cancelled, perhaps all of them."""

    order: Order
    cancellation_ref: str
    refund_minor: int


OrderEvent: TypeAlias = (
    OrderReceived
    | FraudDecided
    | StockDecided
    | PaymentDecided
    | Compensated
    | OrderPlaced
    | OrderRejected
    | OrderCancelled
)


def parse(event: Event) -> OrderEvent:
    """Read an order event; `Undecodable` names the type or field that is wrong."""
    read = _READ.get(event.type)
    if read is None:
        raise Undecodable(f"unknown event type {event.type[:80]!r}; known: {', '.join(_READ)}")
    body = _body(event)
    order = read_order(body, event.aggregate_version)
    if order.order_ref != event.aggregate_id:
        raise Undecodable(f"payload is of order {order.order_ref!r}, the event of {event.aggregate_id!r}")
    tenant = event.context.get("tenant")
    if tenant is not None and tenant != tenant_of(order):
        raise Undecodable(f"wrong tenant: the order is of {tenant_of(order)!r}, the event of {str(tenant)[:80]!r}")
    return read(order, body)


def reading(decide: Callable[[OrderEvent], Sequence[Intent]]) -> Callable[[Event], Sequence[Intent]]:
    """`decide` as a service takes it: of the event as it came."""
    return lambda event: decide(parse(event))


def tenant_of(order: Order) -> str:
    """Whose order it is, as the event's context names it: a merchant's, or the shop's own. A name travels as ASCII."""
    merchant_id = order.merchant_id or "shop"
    return merchant_id if merchant_id.isascii() and merchant_id.isprintable() else "unprintable"


def _body(event: Event) -> Mapping[str, Json]:
    try:
        body = json.loads(event.payload)
    except ValueError as error:  # also what is not UTF-8
        raise Undecodable(f"payload is not JSON: {type(error).__name__}") from error
    if not isinstance(body, dict):
        raise Undecodable(f"payload is a JSON {type(body).__name__}, not an object")
    return body


def _fraud(order: Order, body: Mapping[str, Json], *, cleared: bool) -> FraudDecided:
    outcome = mapping(body, "outcome")
    recent = optional_whole(outcome, "recent_orders"), optional_whole(outcome, "recent_minor")
    return FraudDecided(order, cleared, optional_whole(outcome, "score"), text(outcome, "tier"), *recent)


def _payment(order: Order, body: Mapping[str, Json], *, taken: bool) -> PaymentDecided:
    outcome = mapping(body, "outcome")
    read = text if taken else optional_text
    return PaymentDecided(order, taken, read(outcome, "charge_id"), whole(outcome, "amount_minor"))


def _cancelled(order: Order, body: Mapping[str, Json]) -> OrderCancelled:
    cancellation = mapping(body, "cancellation")
    return OrderCancelled(order, text(cancellation, "cancellation_ref"), whole(cancellation, "refund_minor"))


_READ: Mapping[str, Callable[[Order, Mapping[str, Json]], OrderEvent]] = {
    "OrderPlaced": lambda order, _: OrderPlaced(order),
    "OrderCancelled": _cancelled,
    "OrderRejected": lambda order, body: OrderRejected(order, text(mapping(body, "rejection"), "by")),
    "OrderReceived": lambda order, _: OrderReceived(order),
    "FraudCleared": lambda order, body: _fraud(order, body, cleared=True),
    "FraudRefused": lambda order, body: _fraud(order, body, cleared=False),
    "StockReserved": lambda order, _: StockDecided(order, reserved=True),
    "StockRefused": lambda order, _: StockDecided(order, reserved=False),
    "StockReleased": lambda order, _: Compensated(order, "inventory"),
    "PaymentTaken": lambda order, body: _payment(order, body, taken=True),
    "PaymentRefused": lambda order, body: _payment(order, body, taken=False),
    "PaymentRefunded": lambda order, _: Compensated(order, "payment"),
}
