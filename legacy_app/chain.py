"""The chain as found: one request, one transaction, held open with its locks over every vendor call."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from legacy_app import seams  # seam
from legacy_app.models import Cancellation, Order
from legacy_app.rejected import Rejected
from legacy_app.steps.fraud import check_fraud
from legacy_app.steps.inventory import give_back, reserve
from legacy_app.steps.notification import notify
from legacy_app.steps.payment import charge
from legacy_app.steps.pricing import price
from legacy_app.steps.recommendation import learn
from legacy_app.steps.search import index
from legacy_app.vendor_client import Vendors


@seams.pausable  # seam
def place_order(session: Session, vendors: Vendors, order: Order) -> None:
    """Run an order through all steps. The caller commits: until then the charge is made and the order is not."""
    order.total_minor = price(order)
    session.add(order)
    session.flush()
    seams.received(session, order)  # seam
    check_fraud(session, order, vendors)
    reserve(session, order)
    charge(session, order, vendors)
    notify(session, order, vendors)
    index(session, order)
    learn(session, order)
    seams.append_placed(session, order)  # seam


def cancel_order(
    session: Session, vendors: Vendors, order_ref: str, cancellation_ref: str, pieces: Mapping[str, int]
) -> Order:
    """Cancel pieces by SKU, under the order's row lock. A cancellation that is known already changes nothing."""
    order = session.get(Order, order_ref, with_for_update=True)
    if order is None:
        raise Rejected(404, f"there is no order {order_ref}")
    seams.open_to_change(session, order)  # seam
    if session.get(Cancellation, (order_ref, cancellation_ref)) is not None:
        return order
    before = price(order)
    for sku, quantity in pieces.items():
        _cancel_pieces(order, sku, quantity)
    order.total_minor = price(order)
    order.version += 1
    left = any(line.cancelled < line.quantity for line in order.lines)
    order.status = "partly_cancelled" if left else "cancelled"
    refund_minor = before - order.total_minor
    cancellation = Cancellation(
        order_ref=order_ref, cancellation_ref=cancellation_ref, version=order.version, refund_minor=refund_minor
    )
    session.add(cancellation)
    give_back(session, pieces)
    notify(session, order, vendors, cancellation)
    index(session, order)
    learn(session, order)
    seams.append_cancelled(session, order, cancellation)  # seam
    return order


def _cancel_pieces(order: Order, sku: str, quantity: int) -> None:
    for line in order.lines:
        if line.sku == sku:
            taken = min(quantity, line.quantity - line.cancelled)
            line.cancelled += taken
            quantity -= taken
    if quantity:
        raise Rejected(409, f"{quantity} pieces of {sku} more than order {order.order_ref} still has; cancel fewer")
