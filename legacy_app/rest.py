"""The rest of a pending order's chain: run once, by whoever claims its continuation, or the order is rejected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from legacy_app import order_events, shared_stock
from legacy_app.chain import place_order
from legacy_app.models import Order
from legacy_app.pausing import MIDDLE, up_to
from legacy_app.rejected import Rejected
from legacy_app.vendor_client import Vendors
from outbox.fault_points import FaultPoints
from strangler.continuation import table as continuation
from strangler.continuation.table import Continuation, StepOutcome
from strangler.ownership import Owner, Ownership
from strangler.seam.segment import Segment, running


class Rest:
    """COMMITS. What a failure leaves behind is as before: ready, for the next one who tries. Safe across threads."""

    def __init__(self, sessions: sessionmaker[Session], fault_points: FaultPoints) -> None:
        self._sessions, self._fault_points = sessions, fault_points

    def run(self, vendors: Vendors, order_ref: str, *, wait_s: float) -> Order | None:
        """The order as committed: placed, rejected, or pending again behind a later step. None: nothing to take.

        `wait_s`: how long the caller would wait on. Raises what a legacy step raised, but for a refusal.
        """
        segment = Segment(again=True, wait_s=wait_s)
        try:
            with self._sessions.begin() as session:
                taken = self._take(session, order_ref)
                if taken is None:
                    return None
                order, found = taken
                self._go_on(session, vendors, order, found, segment)
                self._fault_points.reach("continuation.rest_run")
        except Rejected as refused:
            return self._refused_by_legacy(order_ref, segment.at or MIDDLE[-1], refused)
        self._fault_points.reach("continuation.committed")
        return order

    def _take(self, session: Session, order_ref: str) -> tuple[Order, Continuation] | None:
        """Who finds the order's row locked comes too late, or too early: somebody else works on it."""
        order = session.get(Order, order_ref, with_for_update={"skip_locked": True})
        found = continuation.claim(session, order_ref) if order is not None else None
        if order is None or found is None:
            return None
        self._fault_points.reach("continuation.claimed")
        return order, found

    def _go_on(self, session: Session, vendors: Vendors, order: Order, found: Continuation, segment: Segment) -> None:
        segment.done = up_to(found.waits_for)
        if found.refusal is not None:
            reject(session, order, found.refusal.step, reason_of(found.refusal), segment.done)
            return
        order.status = "placed"
        with running(segment):
            place_order(session, vendors, order)

    def _refused_by_legacy(self, order_ref: str, step: str, refused: Rejected) -> Order | None:
        """What this run had done was rolled back with it; what earlier runs had done is compensated."""
        with self._sessions.begin() as session:
            taken = self._take(session, order_ref)
            if taken is None:
                return None
            order, found = taken
            order_events.append_outcome(session, order, step, _detail(step, refused), refused=True)
            reject(session, order, step, str(refused), up_to(found.waits_for))
            self._fault_points.reach("continuation.rest_run")
        self._fault_points.reach("continuation.committed")
        return order


def reject(session: Session, order: Order, by: str, reason: str, done: Collection[str]) -> None:
    """In the caller's transaction: the order ends, and what legacy had done for it before is undone."""
    order.status, order.rejected_by, order.rejection = "rejected", by, reason
    owners = Ownership.from_header(order.ownership)
    before = MIDDLE[: MIDDLE.index(by)]
    if "inventory" in before and "inventory" in done and owners.of("inventory") is not Owner.NEW:
        shared_stock.give_back(session, order, shared_stock.COMPENSATED, shared_stock.held(order))
    order_events.append_rejected(session, order)


def reason_of(refusal: StepOutcome) -> str:
    """For the customer."""
    detail = refusal.detail
    if refusal.step == "inventory":
        return str(shared_stock.SoldOut(str(detail.get("sold_out")), int(detail.get("short") or 0)))
    return str(detail.get("reason") or f"refused by {refusal.step}")


def _detail(step: str, refused: Rejected) -> Mapping[str, Any]:
    match step:
        case "inventory":
            sold_out = refused if isinstance(refused, shared_stock.SoldOut) else None
            return {"sold_out": sold_out.sku if sold_out else None, "short": sold_out.short if sold_out else 0}
        case "payment":
            return {"charge_id": None, "amount_minor": 0, "reason": str(refused)}
        case _:
            return {"score": None, "tier": "high", "reason": str(refused)}
