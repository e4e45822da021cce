"""The chain stops where the new side has a step of the middle: the order is kept as pending, and waits."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable

from sqlalchemy.orm import Session

from legacy_app.models import Order
from legacy_app.vendor_client import Vendors
from strangler.continuation import table as continuation
from strangler.errors import BadInput
from strangler.ownership import Ownership
from strangler.seam.segment import Pause, Segment, current, last_of_run, running

MIDDLE = ("fraud", "inventory", "payment")
WAIT_S = "LEGACY_WAIT_S"
FIRST_GO_S = 0.25  # the request that waits looks once more after its wait, before a runner may

Chain = Callable[[Session, Vendors, Order], None]


def wait_s() -> float:
    """LEGACY_WAIT_S: how long a request waits for an outcome; clients give up after a second, workers are few."""
    given = os.environ.get(WAIT_S, "0.1")
    try:
        seconds = float(given)
    except ValueError as error:
        raise BadInput(f"{WAIT_S} is {given!r}; give seconds, such as 0.1") from error
    if not 0 <= seconds <= 60:
        raise BadInput(f"{WAIT_S} is {given}; give 0 to 60 seconds")
    return seconds


def pausable(chain: Chain) -> Chain:
    """Around the chain: a pause is no failure, the caller commits what was done until then, and the wait."""

    @functools.wraps(chain)
    def run(session: Session, vendors: Vendors, order: Order) -> None:
        again = current()
        with running(again if again.again else Segment(wait_s=wait_s())) as segment:
            try:
                chain(session, vendors, order)
            except Pause as pause:
                _pause(session, order, pause.step, segment.wait_s)

    return run


def _pause(session: Session, order: Order, step: str, longest_s: float) -> None:
    order.status = "pending"
    waits_for = last_of_run(MIDDLE, step, Ownership.from_header(order.ownership))
    continuation.wait_for(session, order.order_ref, waits_for, wait_s=longest_s + FIRST_GO_S if longest_s else 0.0)


def up_to(step: str) -> frozenset[str]:
    """The steps of the middle that are done once the order need not wait for `step` any longer."""
    return frozenset(MIDDLE[: MIDDLE.index(step) + 1]) if step in MIDDLE else frozenset()
