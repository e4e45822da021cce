"""Payment: charge the customer, inside the request's transaction and before its commit."""

from __future__ import annotations

from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order, Payment
from legacy_app.monolith.vendor_client import Vendors


def charge(session: Session, order: Order, vendors: Vendors) -> str:
    body = {
        "order_ref": order.order_ref,
        "client_ref": order.client_ref,
        "amount_minor": order.total_minor,
        "currency": "GBP",
    }
    answer = vendors.post("/payments/charges", f"{order.order_ref}:payment:100", body)
    charge_id = str(answer["charge_id"])
    session.add(Payment(order_ref=order.order_ref, charge_id=charge_id, amount_minor=order.total_minor))
    return charge_id
