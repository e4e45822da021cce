"""Stock is shared by both sides: the monolith moves it by the two statements that every owner uses."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

from legacy_app.models import Order
from legacy_app.rejected import Rejected
from strangler.step.intents import first_number

COMPENSATED = first_number(1) + 50  # beside the numbers of the order's versions

RESERVE = text("""
SELECT sold_out_sku, short FROM inventory.reserve_stock(
    array_fill(CAST(:order_ref AS text), ARRAY[cardinality(CAST(:skus AS text[]))]),
    CAST(:skus AS text[]), CAST(:pieces AS bigint[]))""")
GIVE_BACK = text("""
SELECT inventory.give_back_stock(
    CAST(:order_ref AS text), CAST(:number AS integer), CAST(:skus AS text[]), CAST(:pieces AS bigint[]))""")

_AT_HAND = "strangler_order"


class SoldOut(Rejected):
    """Stock is short for an order."""

    def __init__(self, sku: str, short: int) -> None:
        super().__init__(409, f"{sku} is sold out: {short} pieces short; order fewer")
        self.sku, self.short = sku, short


def take_in_hand(session: Session, order: Order) -> None:
    """The order that stock is moved for from now on in this session: the monolith's function does not say."""
    session.info[_AT_HAND] = order


def in_hand(session: Session) -> Order:
    """The order of `take_in_hand`."""
    order = session.info[_AT_HAND]
    if not isinstance(order, Order):
        raise TypeError(f"stock is moved for {type(order).__name__}; call take_in_hand with the order first")
    return order


def by_authority(_move: Callable[[Session, Mapping[str, int]], None]) -> Callable[[Session, Mapping[str, int]], None]:
    """In place of the monolith's own statement: pieces below 0 are taken, others given back, once per version."""

    @functools.wraps(_move)
    def run(session: Session, pieces: Mapping[str, int]) -> None:
        order = in_hand(session)
        taken = {sku: -count for sku, count in pieces.items() if count < 0}
        if taken:
            _take(session, order, taken)
        elif pieces:
            give_back(session, order, first_number(order.version), pieces)

    return run


def give_back(session: Session, order: Order, number: int, pieces: Mapping[str, int]) -> None:
    """Once for each number."""
    arrays = {"skus": list(pieces), "pieces": list(pieces.values())}
    session.execute(GIVE_BACK, {"order_ref": order.order_ref, "number": number, **arrays})


def held(order: Order) -> dict[str, int]:
    """What the order holds by SKU, without what was cancelled."""
    pieces: Counter[str] = Counter()
    for line in order.lines:
        pieces[line.sku] += line.quantity - line.cancelled
    return {sku: count for sku, count in pieces.items() if count}


def _take(session: Session, order: Order, pieces: Mapping[str, int]) -> None:
    arrays = {"skus": list(pieces), "pieces": list(pieces.values())}
    for sold_out, short in session.execute(RESERVE, {"order_ref": order.order_ref, **arrays}):
        if sold_out is not None:
            raise SoldOut(sold_out, short)
