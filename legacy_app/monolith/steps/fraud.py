"""Fraud: ask the scorer, refuse what is too risky and who orders too much at once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from legacy_app.monolith.models import FraudScore, Order, Velocity
from legacy_app.monolith.rejected import Rejected
from legacy_app.monolith.vendor_client import Vendors
from legacy_app.seams import shared_velocity  # seam

REFUSE_FROM = 90
WINDOW = timedelta(hours=1)
MOST_ORDERS, MOST_MINOR = 100, 50_000_000  # of a customer in the window


def check_fraud(session: Session, order: Order, vendors: Vendors) -> dict[str, int | None]:
    """The score, and what the customer had ordered in the hour before."""
    body = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    score = int(vendors.post("/fraud/scores", f"{order.order_ref}:fraud:100", body)["score"])
    if score >= REFUSE_FROM:
        raise Rejected(422, f"the order is too risky: score {score} of 100; call customer service")
    # found: recent_orders, recent_minor = _count(session, order)
    recent_orders, recent_minor = shared_velocity.count(session, order)  # seam
    session.add(FraudScore(order_ref=order.order_ref, score=score))
    return {"score": score, "recent_orders": recent_orders, "recent_minor": recent_minor}


def _count(session: Session, order: Order) -> tuple[int | None, int | None]:
    if order.customer_id is None:
        return None, None
    recent = (Velocity.customer_id == order.customer_id, Velocity.counted_at >= func.now() - WINDOW)
    orders, minor = session.execute(
        select(func.count(), func.coalesce(func.sum(Velocity.amount_minor), 0)).where(*recent)
    ).one()
    if orders >= MOST_ORDERS or minor + order.total_minor > MOST_MINOR:
        raise Rejected(422, f"too much at once: {orders} orders in an hour; call customer service")
    session.add(Velocity(order_ref=order.order_ref, customer_id=order.customer_id, amount_minor=order.total_minor))
    return int(orders), int(minor)
