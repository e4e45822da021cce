"""Fraud: ask the scorer, refuse what is too risky."""

from __future__ import annotations

from sqlalchemy.orm import Session

from legacy_app import seams  # seam
from legacy_app.models import FraudScore, Order
from legacy_app.rejected import Rejected
from legacy_app.vendor_client import Vendors

REFUSE_FROM = 90


@seams.checking_fraud  # seam
def check_fraud(session: Session, order: Order, vendors: Vendors) -> int:
    body = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    score = int(vendors.post("/fraud/scores", f"{order.order_ref}:fraud:100", body)["score"])
    if score >= REFUSE_FROM:
        raise Rejected(422, f"the order is too risky: score {score} of 100; call customer service")
    session.add(FraudScore(order_ref=order.order_ref, score=score))
    return score
