"""Inventory: take stock for all lines of an order, and give it back for cancelled ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order, Stock
from legacy_app.monolith.rejected import Rejected
from legacy_app.seams import shared_stock  # seam

FIRST_DELIVERY = 1_000_000  # a SKU never seen before arrives with that many pieces


def reserve(session: Session, order: Order) -> None:
    """Take the order's pieces. The row locks stay until the request's commit, over all the HTTP that follows."""
    wanted: Counter[str] = Counter()
    for line in order.lines:
        wanted[line.sku] += line.quantity
    # found: _move(session, {sku: -quantity for sku, quantity in wanted.items()})
    shared_stock.take(session, order, wanted)  # seam


def give_back(session: Session, pieces: Mapping[str, int]) -> None:
    _move(session, pieces)


def _move(session: Session, pieces: Mapping[str, int]) -> None:
    # Rows in SKU order: two orders that share SKUs wait for each other instead of deadlocking.
    rows = [{"sku": sku, "on_hand": FIRST_DELIVERY + pieces[sku], "low": False} for sku in sorted(pieces)]
    put = insert(Stock).values(rows)
    moved = put.on_conflict_do_update(
        index_elements=[Stock.sku], set_={"on_hand": Stock.on_hand + put.excluded.on_hand - FIRST_DELIVERY}
    ).returning(Stock.sku, Stock.on_hand)
    for sku, on_hand in session.execute(moved):
        if on_hand < 0:
            raise Rejected(409, f"{sku} is sold out: {-on_hand} pieces short; order fewer")
