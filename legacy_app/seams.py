"""What strangling added beside the monolith's `# seam` lines: what seams observe, and the order's events."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from legacy_app.models import Cancellation, Order, OrderLine
from legacy_app.rejected import Rejected
from legacy_app.vendor_client import Vendors
from outbox import Event, append
from outbox.errors import Undecodable
from strangler.errors import BadOwnership
from strangler.ownership import HEADER, ORDER_REF_HEADER, Ownership
from strangler.step.intents import Call, Intent, Write, effect_key, first_number

MAX_REF = 128


def adopt(order: Order, headers: Headers) -> None:
    """Take the reference and the owners that the facade has pinned. Absent: a reference of its own, all legacy."""
    order_ref = headers.get(ORDER_REF_HEADER, order.order_ref)
    if not (0 < len(order_ref) <= MAX_REF and order_ref.isascii() and order_ref.isprintable()):
        raise Rejected(400, f"{ORDER_REF_HEADER} must be 1 to {MAX_REF} printable ASCII characters")
    try:
        ownership = Ownership.from_header(headers.get(HEADER))
    except (BadOwnership, Undecodable) as error:
        raise Rejected(400, f"{HEADER} cannot be read: {error}") from error
    order.order_ref = order_ref
    order.ownership = ownership.to_header() if ownership.epoch else ""


def mail_key(order: Order) -> str:
    """The same from either side, so that the gateway recognises a mail that both asked for."""
    return effect_key(order.order_ref, "notification", first_number(order.version))


def observe_mail(
    order: Order,  # noqa: ARG001 - a seam's observer gets all that its step got
    message: dict[str, Any],
    vendors: Vendors,  # noqa: ARG001
    cancellation: Cancellation | None = None,  # noqa: ARG001
) -> list[Intent]:
    """The mail itself says all: it is the same from either side."""
    return [Call("mail", "send", message)]


def observe_document(order: Order, document: dict[str, Any]) -> list[Intent]:
    """The monolith's words into the plan's."""
    body = {
        "order_ref": document["ref"],
        "version": order.version,
        "status": document["state"],
        "channel": document["channel"],
        "merchant_id": document["sold_by"],
        "customer_id": document["customer"],
        "country": document["country"],
        "placed_at": document["placed"],
        "total_minor": document["pence"],
        "skus": document["articles"],
        "text": " | ".join(document["words"]),
    }
    return [Write("document", body)]


def observe_basket(order: Order, skus: list[str] | None) -> list[Intent]:
    if skus is None:
        return []
    body = {"order_ref": order.order_ref, "version": order.version, "customer_id": order.customer_id, "skus": skus}
    return [Write("basket", body)]


def append_placed(session: Session, order: Order) -> None:
    """The order's first event, in the order's own transaction."""
    append(session, _event(order, "OrderPlaced", None))


def append_cancelled(session: Session, order: Order, cancellation: Cancellation) -> None:
    """The version was taken under the order's row lock, which this transaction holds."""
    body = {"cancellation_ref": cancellation.cancellation_ref, "refund_minor": cancellation.refund_minor}
    append(session, _event(order, "OrderCancelled", body))


def _event(order: Order, type_: str, cancellation: dict[str, Any] | None) -> Event:
    payload = json.dumps({**_state(order), "cancellation": cancellation}, ensure_ascii=False, separators=(",", ":"))
    return Event(
        aggregate_type="order",
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
