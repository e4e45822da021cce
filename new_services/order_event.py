"""The order's events as the contexts read them: parsed once, refused with a clear error, never guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from outbox.errors import Undecodable
from outbox.event import Event
from strangler.step.intents import Json

STATUSES = ("placed", "partly_cancelled", "cancelled")
CHANNELS = ("web", "store_pickup", "marketplace")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order; money is integer pence."""

    sku: str
    description: str
    quantity: int
    cancelled: int
    unit_price_minor: int

    @property
    def remaining(self) -> int:
        return self.quantity - self.cancelled


@dataclass(frozen=True, slots=True)
class Order:
    """An order's state after an event."""

    order_ref: str
    version: int
    channel: str
    merchant_id: str | None
    customer_id: str | None
    country: str
    placed_at: str
    status: str
    total_minor: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    order: Order


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """Lines were cancelled, perhaps all of them."""

    order: Order
    cancellation_ref: str
    refund_minor: int


OrderEvent: TypeAlias = OrderPlaced | OrderCancelled


def parse(event: Event) -> OrderEvent:
    """Read an order event; `Undecodable` names the type or field that is wrong."""
    if event.type not in ("OrderPlaced", "OrderCancelled"):
        raise Undecodable(f"unknown event type {event.type[:80]!r}; known: OrderPlaced, OrderCancelled")
    body = _body(event)
    order = _order(event, body)
    if event.type == "OrderPlaced":
        return OrderPlaced(order)
    cancellation = _mapping(body, "cancellation")
    return OrderCancelled(order, _text(cancellation, "cancellation_ref"), _whole(cancellation, "refund_minor"))


def _body(event: Event) -> Mapping[str, Json]:
    try:
        body = json.loads(event.payload)
    except ValueError as error:  # also what is not UTF-8
        raise Undecodable(f"payload is not JSON: {type(error).__name__}") from error
    if not isinstance(body, dict):
        raise Undecodable(f"payload is a JSON {type(body).__name__}, not an object")
    return body


def _order(event: Event, body: Mapping[str, Json]) -> Order:
    order_ref = _text(body, "order_ref")
    if order_ref != event.aggregate_id:
        raise Undecodable(f"payload is of order {order_ref!r}, the event of {event.aggregate_id!r}")
    return Order(
        order_ref=order_ref,
        version=event.aggregate_version,
        channel=_one_of(body, "channel", CHANNELS),
        merchant_id=_optional_text(body, "merchant_id"),
        customer_id=_optional_text(body, "customer_id"),
        country=_text(body, "country"),
        placed_at=_text(body, "placed_at"),
        status=_one_of(body, "status", STATUSES),
        total_minor=_whole(body, "total_minor"),
        lines=_lines(body),
    )


def _lines(body: Mapping[str, Json]) -> tuple[Line, ...]:
    lines = body.get("lines")
    if not isinstance(lines, list):
        raise Undecodable(f"'lines' is {_kind(lines)}, not a list")
    return tuple(_line(line) for line in lines)


def _line(line: Json) -> Line:
    if not isinstance(line, dict):
        raise Undecodable(f"a line is {_kind(line)}, not an object")
    quantity, cancelled = _whole(line, "quantity"), _whole(line, "cancelled")
    if not 0 <= cancelled <= quantity:
        raise Undecodable(f"a line has {cancelled} of {quantity} cancelled")
    return Line(_text(line, "sku"), _text(line, "description"), quantity, cancelled, _whole(line, "unit_price_minor"))


def _mapping(body: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise Undecodable(f"{name!r} is {_kind(value)}, not an object")
    return value


def _text(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise Undecodable(f"{name!r} is {_kind(value)}, not a text")
    return value


def _optional_text(body: Mapping[str, Json], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _one_of(body: Mapping[str, Json], name: str, known: Sequence[str]) -> str:
    value = _text(body, name)
    if value not in known:
        raise Undecodable(f"{name!r} is {value[:80]!r}; known: {', '.join(known)}")
    return value


def _whole(body: Mapping[str, Json], name: str) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Undecodable(f"{name!r} is {_kind(value)}, not a whole number")
    return value


def _kind(value: Json) -> str:
    return "absent or null" if value is None else type(value).__name__
