"""A hand-back: the order returns to a legacy step, which does at once what the new side has not done.

The caller has put a tombstone on the new side before: from then on nobody there acts on the order. An order that is
still pending goes on by its continuation: the step runs there, once, when those before it are done.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from legacy_app.models import Cancellation, Order, OrderLine
from legacy_app.pausing import MIDDLE
from legacy_app.rejected import Rejected
from legacy_app.steps.notification import notify
from legacy_app.steps.recommendation import learn
from legacy_app.steps.search import index
from legacy_app.vendor_client import Vendors
from strangler.continuation import table as continuation
from strangler.ownership import Owner, Ownership

# Without their seams: nothing is compared of what was handed back, its tombstone and audit say what happened.
_notify: Callable[[Session, Order, Vendors, Cancellation | None], object] = inspect.unwrap(notify)
_index: Callable[[Session, Order], object] = inspect.unwrap(index)
_learn: Callable[[Session, Order], object] = inspect.unwrap(learn)


def hand_back(session: Session, vendors: Vendors, step: str, order_ref: str) -> int:
    """Run the step for all versions so far; answers how many. 0 when it has run, or will when the order goes on.

    Holds the order's row lock, so that a cancellation, or the rest of the chain, comes wholly before or wholly after.
    """
    order = session.get(Order, order_ref, with_for_update=True)
    if order is None:
        raise Rejected(404, f"there is no order {order_ref[:80]}")
    ownership = Ownership.from_header(order.ownership)
    if ownership.of(step) is not Owner.NEW:
        return 0
    if step in MIDDLE and order.status not in ("pending", "rejected"):
        raise Rejected(409, f"order {order_ref[:80]} is {order.status}: {step} has acted on it; reconcile {step}")
    order.ownership = Ownership(ownership.epoch, {**ownership.owners, step: Owner.LEGACY}).to_header()
    if order.status == "rejected":
        return 0
    if order.status == "pending":
        wait_for_earlier(session, order, step, ownership)
        return 0
    TAIL[step](session, vendors, order)
    return order.version


def wait_for_earlier(session: Session, order: Order, step: str, ownership: Ownership) -> None:
    """The order must not wait for this step, nor for a later one, which acts on this one's outcome.

    It waits for the step before, if that is the new side's; else there is nothing to wait for. A continuation that is
    ready already is left alone: what runs next asks for the owner that has just been written.
    """
    waits_for = continuation.waiting_for(session, order.order_ref)
    if step not in MIDDLE or waits_for not in MIDDLE[MIDDLE.index(step) :]:
        return
    before = MIDDLE[: MIDDLE.index(step)]
    earlier = before[-1] if before else continuation.START
    ready = ownership.of(earlier) is not Owner.NEW
    continuation.wait_instead(session, order.order_ref, waits_for=waits_for, step=earlier, ready=ready)


def mail_again(session: Session, vendors: Vendors, order: Order) -> None:
    """One mail a version, each with the key that the new side would have used."""
    _notify(session, at_version(order, 1), vendors, None)
    known = select(Cancellation).where(Cancellation.order_ref == order.order_ref).order_by(Cancellation.version)
    for each in session.scalars(known):
        _notify(session, at_version(order, each.version), vendors, each)


def index_again(session: Session, _vendors: Vendors, order: Order) -> None:
    """One document an order: its newest."""
    _index(session, order)


def learn_again(session: Session, _vendors: Vendors, order: Order) -> None:
    """One basket an order: as placed, and empty once all of it is cancelled."""
    _learn(session, order if order.status == "cancelled" else at_version(order, 1))


def at_version(order: Order, version: int) -> Order:
    """A picture of the order, in no session: as placed, but for the version that it is asked to carry."""
    placed = [
        OrderLine(sku=line.sku, quantity=line.quantity, cancelled=0, unit_price_minor=line.unit_price_minor)
        for line in order.lines
    ]
    return Order(
        order_ref=order.order_ref,
        customer_id=order.customer_id,
        status="placed",
        version=version,
        total_minor=sum(line.quantity * line.unit_price_minor for line in placed),
        lines=placed,
    )


TAIL: Mapping[str, Callable[[Session, Vendors, Order], None]] = {
    "notification": mail_again,
    "search": index_again,
    "recommendation": learn_again,
}
STEPS = (*MIDDLE, *TAIL)
