"""Recommendation: remember which articles were bought together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from legacy_app.monolith.models import Affinity, Basket, Order
from legacy_app.seams import tail  # seam

DEAREST = 5


@tail.learning  # seam
def learn(session: Session, order: Order) -> list[str] | None:
    """The order's basket, or None when it did not change: only placing and cancelling all of it do."""
    if order.status == "partly_cancelled":
        return None
    known = session.get(Basket, order.order_ref)
    skus = [] if order.status == "cancelled" else _dearest(order)
    _count(session, known.skus if known else [], -1)
    _count(session, skus, 1)
    session.merge(Basket(order_ref=order.order_ref, customer_id=order.customer_id, skus=skus))
    return skus


def _dearest(order: Order) -> list[str]:
    spent: dict[str, int] = {}
    for line in order.lines:
        spent[line.sku] = spent.get(line.sku, 0) + line.quantity * line.unit_price_minor
    return sorted(spent, key=lambda sku: (-spent[sku], sku))[:DEAREST]


def _count(session: Session, skus: Sequence[str], by: int) -> None:
    pairs = combinations(sorted(skus), 2)  # in order: popular pairs are in one order of ten
    rows = [{"sku_a": one, "sku_b": other, "orders": by} for one, other in pairs]
    if not rows:
        return
    put = insert(Affinity).values(rows)
    counted = put.on_conflict_do_update(
        index_elements=[Affinity.sku_a, Affinity.sku_b], set_={"orders": Affinity.orders + put.excluded.orders}
    )
    session.execute(counted)
