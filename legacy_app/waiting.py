"""A request waits for its order's outcome: no transaction, no connection, and not longer than its client."""

from __future__ import annotations

import logging
import time

import requests
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, lazyload, sessionmaker

from legacy_app.models import Order
from legacy_app.rest import Rest
from legacy_app.vendor_client import VendorFailed, Vendors
from outbox.fault_points import FaultPoints
from strangler.continuation import table as continuation
from strangler.continuation.wakeups import Wakeups

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 0.5  # who was woken may have met the lock of somebody who changed nothing, and is not woken again
PASSING = (VendorFailed, requests.RequestException, DBAPIError)  # the resumer tries again what failed by these


class Waiting:
    """One per worker."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        vendors: Vendors,
        wakeups: Wakeups,
        wait_s: float,
        fault_points: FaultPoints,
    ) -> None:
        self._sessions, self._vendors, self._wakeups, self._wait_s = sessions, vendors, wakeups, wait_s
        self._fault_points = fault_points
        self._rest = Rest(sessions, fault_points)

    def finish(self, order_ref: str) -> Order:
        """The order in its final state, or still pending when the wait ends first; then a runner goes on with it."""
        self._fault_points.reach("continuation.pending_committed")
        deadline = time.monotonic() + self._wait_s
        try:
            return self._until(order_ref, deadline) or self._give_up(order_ref)
        except PASSING as error:
            logger.warning("rest_failed", extra={"error": type(error).__name__})
            return self._give_up(order_ref)

    def _until(self, order_ref: str, deadline: float) -> Order | None:
        """Wake-ups are hints: each time, and now and then, the continuation itself says whether it is ready."""
        while True:
            woken = self._wakeups.wait(order_ref, min(LOOK_AGAIN_S, deadline - time.monotonic()))
            if woken:
                self._fault_points.reach("continuation.woken")
            left_s = max(0.0, deadline - time.monotonic())
            order = self._rest.run(self._vendors, order_ref, wait_s=left_s) if woken or self._ready(order_ref) else None
            if order is not None and order.status != "pending":
                return order
            if left_s == 0.0:
                return None

    def _ready(self, order_ref: str) -> bool:
        """Looked up before the order is loaded with all its lines, which is dear."""
        with self._sessions() as session:
            return continuation.is_ready(session, order_ref)

    def _give_up(self, order_ref: str) -> Order:
        """The order without its lines: the answer does not tell them."""
        with self._sessions.begin() as session:
            continuation.give_up(session, order_ref)
            return session.get_one(Order, order_ref, options=[lazyload(Order.lines)])
