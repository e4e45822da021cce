"""Reads the bodies of orders and cancellations: anything that cannot be worked with is a 400 that names the field."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from legacy_app.monolith.models import Order, OrderLine
from legacy_app.monolith.rejected import Rejected

CHANNELS = ("web", "store_pickup", "marketplace")
MAX_LINES = 5_000
MAX_PIECES = 10_000_000
MAX_PRICE_MINOR = 100_000_000
MAX_TEXT = 255


def read_order(body: Any) -> Order:
    """An order with a reference of its own, not yet priced and in no session."""
    fields = _mapping(body, "the body")
    channel = _text(fields, "channel")
    if channel not in CHANNELS:
        raise Rejected(400, f"channel is {channel!r}; known: {', '.join(CHANNELS)}")
    lines = _lines(fields)
    return Order(
        order_ref=str(uuid4()),
        client_ref=_text(fields, "client_ref"),
        channel=channel,
        merchant_id=_optional(fields, "merchant_id"),
        customer_id=_optional(fields, "customer_id"),
        country=_text(fields, "country"),
        placed_at=_moment(fields, "placed_at"),
        status="placed",
        total_minor=0,
        version=1,
        lines=[_line(number, line) for number, line in enumerate(lines)],
    )


def read_cancellation(body: Any) -> tuple[str, dict[str, int]]:
    """The cancellation's reference, and the pieces to cancel by SKU."""
    fields = _mapping(body, "the body")
    pieces: dict[str, int] = {}
    for line in _lines(fields):
        sku = _text(line, "sku")
        pieces[sku] = pieces.get(sku, 0) + _whole(line, "quantity", MAX_PIECES)
    return _text(fields, "cancellation_ref"), pieces


def _lines(fields: dict[str, Any]) -> list[dict[str, Any]]:
    lines = fields.get("lines")
    if not isinstance(lines, list) or not 0 < len(lines) <= MAX_LINES:
        raise Rejected(400, f"lines must be a list of 1 to {MAX_LINES} objects")
    return [_mapping(line, "a line") for line in lines]


def _line(number: int, line: dict[str, Any]) -> OrderLine:
    return OrderLine(
        line_no=number,
        sku=_text(line, "sku"),
        description=_optional(line, "description") or "",
        quantity=_whole(line, "quantity", MAX_PIECES),
        cancelled=0,
        unit_price_minor=_whole(line, "unit_price_minor", MAX_PRICE_MINOR),
    )


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Rejected(400, f"{name} is not a JSON object")
    return value


def _optional(fields: dict[str, Any], name: str) -> str | None:
    return None if fields.get(name) in (None, "") else _text(fields, name)


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise Rejected(400, f"{name} must be a text of 1 to {MAX_TEXT} characters")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise Rejected(400, f"{name} holds a character that cannot be stored")
    return value


def _moment(fields: dict[str, Any], name: str) -> str:
    text = _text(fields, name)
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise Rejected(400, f"{name} is {text!r}, not an ISO 8601 time") from error
    return text


def _whole(fields: dict[str, Any], name: str, most: int) -> int:
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise Rejected(400, f"{name} must be a whole number from 1 to {most}")
    return value
