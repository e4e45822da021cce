"""Notification: mail the customer, while he waits for the answer."""

from __future__ import annotations

from typing import Any

# found: from uuid import uuid4
from sqlalchemy.orm import Session

from legacy_app.monolith.models import Cancellation, Notification, Order
from legacy_app.monolith.vendor_client import Vendors
from legacy_app.seams import tail  # seam


@tail.mailing  # seam
def notify(
    session: Session,
    order: Order,
    vendors: Vendors,
    cancellation: Cancellation | None = None,
    key: str = "",  # seam
) -> dict[str, Any]:
    """The mail as the gateway got it: of the order, or of its cancellation."""
    message = {
        "to": _address(order),
        "template": "cancellation_confirmation" if cancellation else "order_confirmation",
        "order_ref": order.order_ref,
        "subject_ref": cancellation.cancellation_ref if cancellation else order.order_ref,
        "total_minor": cancellation.refund_minor if cancellation else order.total_minor,
    }
    # found: key = str(uuid4())
    vendors.post("/mail/messages", key, message)
    sent = Notification(order_ref=order.order_ref, template=message["template"], subject_ref=message["subject_ref"])
    session.merge(sent)
    return message


def _address(order: Order) -> str:
    who = f"customer-{order.customer_id}" if order.customer_id else f"guest-{order.order_ref[:8]}"
    return f"{who}@example.invalid"
