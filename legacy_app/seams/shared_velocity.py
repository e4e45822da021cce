"""What a customer orders in a time is shared by both sides: the monolith counts by the statement of both owners."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order
from legacy_app.monolith.rejected import Rejected

COUNT = text("""
SELECT counted, recent_orders, recent_minor
FROM fraud.count_order(CAST(:order_ref AS text), CAST(:customer_id AS text), CAST(:amount_minor AS bigint))""")


def count(session: Session, order: Order) -> tuple[int | None, int | None]:
    """Each order once; its customer's others wait for its commit."""
    values = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    counted, orders, minor = session.execute(COUNT, values).one()
    if not counted:
        raise Rejected(422, f"too much at once: {orders} orders in an hour; call customer service")
    return orders, minor
