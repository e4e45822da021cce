"""Stock is shared by both sides: the monolith moves it by the two statements that every owner uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order
from legacy_app.monolith.rejected import Rejected
from strangler.service import first_number

RESERVE = text("""
SELECT sold_out_sku, short FROM inventory.reserve_stock(
    array_fill(CAST(:order_ref AS text), ARRAY[cardinality(CAST(:skus AS text[]))]),
    CAST(:skus AS text[]), CAST(:pieces AS bigint[]))""")
GIVE_BACK = text("""
SELECT inventory.give_back_stock(
    CAST(:order_ref AS text), CAST(:number AS integer), CAST(:skus AS text[]), CAST(:pieces AS bigint[]))""")
HELD = text("""
SELECT sku, sum(pieces)::bigint FROM inventory.stock_hold WHERE order_ref = :order_ref
GROUP BY sku HAVING sum(pieces) > 0""")


class SoldOut(Rejected):
    """Stock is short for an order."""

    def __init__(self, sku: str, short: int) -> None:
        super().__init__(409, f"{sku} is sold out: {short} pieces short; order fewer")
        self.sku, self.short = sku, short


def take(session: Session, order: Order, pieces: Mapping[str, int]) -> None:
    """All of them, or `SoldOut`."""
    arrays = {"skus": list(pieces), "pieces": list(pieces.values())}
    for sold_out, short in session.execute(RESERVE, {"order_ref": order.order_ref, **arrays}):
        if sold_out is not None:
            raise SoldOut(sold_out, short)


def give_back(session: Session, order: Order, pieces: Mapping[str, int]) -> None:
    """Once for each version."""
    if pieces:
        arrays = {"skus": list(pieces), "pieces": list(pieces.values())}
        number = first_number(order.subject_version)
        session.execute(GIVE_BACK, {"order_ref": order.order_ref, "number": number, **arrays})


def release(session: Session, order: Order, keep: Mapping[str, int]) -> None:
    """All that the order holds beyond what it keeps."""
    held = session.execute(HELD, {"order_ref": order.order_ref})
    beyond = {sku: pieces - keep.get(sku, 0) for sku, pieces in held}
    give_back(session, order, {sku: pieces for sku, pieces in beyond.items() if pieces > 0})


def wanted(order: Order) -> dict[str, int]:
    """What the order wants by SKU, without what was cancelled."""
    pieces: Counter[str] = Counter()
    for line in order.lines:
        pieces[line.sku] += line.quantity - line.cancelled
    return {sku: count for sku, count in pieces.items() if count}
