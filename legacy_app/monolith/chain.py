"""The chain as found: one request, one transaction, held open with its locks over every vendor call."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from legacy_app.monolith.models import Cancellation, Order
from legacy_app.monolith.rejected import Rejected

# found: from legacy_app.monolith.steps.fraud import check_fraud
# found: from legacy_app.monolith.steps.inventory import give_back, reserve
from legacy_app.monolith.steps.notification import notify

# found: from legacy_app.monolith.steps.payment import charge
from legacy_app.monolith.steps.pricing import price
from legacy_app.monolith.steps.recommendation import learn
from legacy_app.monolith.steps.search import index
from legacy_app.monolith.vendor_client import Vendors
from legacy_app.seams import events, middle  # seam
from legacy_app.seams.strangling import Answer, Answered, open_to_change, strangled  # seam


# found: def place_order(session: Session, vendors: Vendors, order: Order) -> None:
def place_order(session: Session, order: Order, answer: Answer) -> Answered:  # seam
    """Run an order through all steps. The caller commits: until then the charge is made and the order is not."""
    order.total_minor = price(order)
    session.add(order)
    order.status = "pending"  # seam
    strangled.created(order, "OrderReceived", events.received(order))  # seam
    return strangled.run(order, middle.checking, middle.reserving, middle.charging, answer=answer)  # seam


@middle.behind_payment  # seam
def place_rest(session: Session, vendors: Vendors, order: Order) -> None:  # seam
    # found: session.flush()
    # found: check_fraud(session, order, vendors)
    # found: reserve(session, order)
    # found: charge(session, order, vendors)
    notify(session, order, vendors)
    index(session, order)
    learn(session, order)


def cancel_order(
    session: Session, vendors: Vendors, order_ref: str, cancellation_ref: str, pieces: Mapping[str, int]
) -> Order:
    """Cancel pieces by SKU, under the order's row lock. A cancellation that is known already changes nothing."""
    order = session.get(Order, order_ref, with_for_update=True)
    if order is None:
        raise Rejected(404, f"there is no order {order_ref}")
    open_to_change(order)  # seam
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
    strangled.changed(order, "OrderCancelled", events.cancelled(order, cancellation))  # seam
    # found: give_back(session, pieces)
    middle.give_back(session, order, pieces)  # seam
    notify(session, order, vendors, cancellation)
    index(session, order)
    learn(session, order)
    return order


def _cancel_pieces(order: Order, sku: str, quantity: int) -> None:
    for line in order.lines:
        if line.sku == sku:
            taken = min(quantity, line.quantity - line.cancelled)
            line.cancelled += taken
            quantity -= taken
    if quantity:
        raise Rejected(409, f"{quantity} pieces of {sku} more than order {order.order_ref} still has; cancel fewer")
