"""What the monolith's `# seam` lines call: who owns an order, what seams observe, what they tell the world."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.orm import Session
from werkzeug.datastructures import Headers

from legacy_app import order_events
from legacy_app.models import Cancellation, Order
from legacy_app.order_events import append_cancelled, append_placed
from legacy_app.pausing import pausable
from legacy_app.rejected import Rejected
from legacy_app.shared_stock import by_authority, held, in_hand, take_in_hand
from legacy_app.shared_velocity import counting
from legacy_app.vendor_client import Vendors
from outbox.errors import Undecodable
from strangler.errors import BadOwnership
from strangler.ownership import HEADER, Ownership, reference_header
from strangler.seam.segment import pausing_seam
from strangler.seam.watched import seam
from strangler.step.intents import Call, Intent, Write, effect_key, first_number

__all__ = [
    "adopt",
    "append_cancelled",
    "append_placed",
    "by_authority",
    "charging",
    "checking_fraud",
    "counting",
    "giving_back",
    "mail_key",
    "observe_basket",
    "observe_document",
    "observe_mail",
    "open_to_change",
    "pausable",
    "received",
    "reserving",
]

REFERENCE_HEADER = reference_header("order")
MAX_REF = 128
REVIEW_FROM = 60  # of 100: cleared, and looked at later


def adopt(order: Order, headers: Headers) -> None:
    """Take the reference and the owners that the facade has pinned. Absent: a reference of its own, all legacy."""
    order_ref = headers.get(REFERENCE_HEADER, order.order_ref)
    if not (0 < len(order_ref) <= MAX_REF and order_ref.isascii() and order_ref.isprintable()):
        raise Rejected(400, f"{REFERENCE_HEADER} must be 1 to {MAX_REF} printable ASCII characters")
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


def received(session: Session, order: Order) -> None:
    """The order is stored: say so once, and move stock for it from now on."""
    take_in_hand(session, order)
    order_events.append_received(session, order)


class Unsettled(Rejected):
    """Nobody knows yet whether the order will be: come again."""


def open_to_change(session: Session, order: Order) -> None:
    """Refuse changes of an order that waits for its outcome or was rejected; else move stock for it from now on."""
    if order.status == "pending":
        raise Unsettled(409, f"order {order.order_ref} is still being decided; try again in a second")
    if order.status == "rejected":
        raise Rejected(409, f"order {order.order_ref} was rejected; there is nothing to cancel")
    take_in_hand(session, order)


Checked = Mapping[str, int | None]


def observe_fraud(order: Order, checked: Checked, vendors: Vendors) -> list[Intent]:  # noqa: ARG001
    asked = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    decided = {"order_ref": order.order_ref, "verdict": "cleared", **checked}  # what is refused leaves no trace
    return [Call("fraud", "score", asked), Write("decision", decided)]


def tell_fraud(session: Session, order: Order, checked: Checked) -> None:
    tier = "medium" if (checked["score"] or 0) >= REVIEW_FROM else "low"
    order_events.append_outcome(session, order, "fraud", {**checked, "tier": tier, "reason": None}, refused=False)


def observe_reserved(order: Order, _: object) -> list[Intent]:
    """What the order holds afterwards."""
    return [Write("reservation", {"order_ref": order.order_ref, "version": order.version, "pieces": held(order)})]


def observe_given_back(order: Order, _: object, pieces: Mapping[str, int]) -> list[Intent]:  # noqa: ARG001
    return observe_reserved(order, _)


def tell_reserved(session: Session, order: Order, _: object) -> None:
    order_events.append_outcome(session, order, "inventory", {"sold_out": None, "short": 0}, refused=False)


def observe_charge(order: Order, charge_id: str, vendors: Vendors) -> list[Intent]:  # noqa: ARG001
    asked = {
        "order_ref": order.order_ref,
        "client_ref": order.client_ref,
        "amount_minor": order.total_minor,
        "currency": "GBP",
    }
    taken = {"order_ref": order.order_ref, "charge_id": charge_id, "amount_minor": order.total_minor}
    return [Call("payments", "charge", asked), Write("payment", taken)]


def tell_charged(session: Session, order: Order, charge_id: str) -> None:
    outcome = {"charge_id": charge_id, "amount_minor": order.total_minor, "reason": None}
    order_events.append_outcome(session, order, "payment", outcome, refused=False)


checking_fraud = pausing_seam("fraud", observe=observe_fraud, then=tell_fraud)
reserving = pausing_seam("inventory", observe=observe_reserved, then=tell_reserved)
charging = pausing_seam("payment", observe=observe_charge, then=tell_charged)


def giving_back(function: Callable[[Session, Mapping[str, int]], None]) -> Callable[[Session, Mapping[str, int]], None]:
    """The seam of a function that is not told the order."""

    @seam("inventory", observe=observe_given_back)
    def watched(session: Session, order: Order, pieces: Mapping[str, int]) -> None:  # noqa: ARG001 - a seam's step
        function(session, pieces)

    @functools.wraps(function)
    def run(session: Session, pieces: Mapping[str, int]) -> None:
        watched(session, in_hand(session), pieces)

    return run
