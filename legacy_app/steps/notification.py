"""Notification: mail the customer, while he waits for the answer."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy.orm import Session

from legacy_app import seams  # seam
from legacy_app.models import Cancellation, Notification, Order
from legacy_app.vendor_client import Vendors
from strangler.seam.watched import seam  # seam


@seam("notification", observe=seams.observe_mail)  # seam
def notify(
    session: Session, order: Order, vendors: Vendors, cancellation: Cancellation | None = None
) -> dict[str, Any]:
    """The mail as the gateway got it: of the order, or of its cancellation."""
    message = {
        "to": _address(order),
        "template": "cancellation_confirmation" if cancellation else "order_confirmation",
        "order_ref": order.order_ref,
        "subject_ref": cancellation.cancellation_ref if cancellation else order.order_ref,
        "total_minor": cancellation.refund_minor if cancellation else order.total_minor,
    }
    key = str(uuid4())
    key = seams.mail_key(order)  # seam
    vendors.post("/mail/messages", key, message)
    sent = Notification(order_ref=order.order_ref, template=message["template"], subject_ref=message["subject_ref"])
    session.merge(sent)
    return message


def _address(order: Order) -> str:
    who = f"customer-{order.customer_id}" if order.customer_id else f"guest-{order.order_ref[:8]}"
    return f"{who}@example.invalid"
