"""The steps that the chain waits for, as the toolkit calls them: what each asks, tells, and what follows a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order
from legacy_app.monolith.rejected import Rejected
from legacy_app.monolith.steps.fraud import check_fraud
from legacy_app.monolith.steps.inventory import reserve
from legacy_app.monolith.steps.payment import charge
from legacy_app.monolith.vendor_client import Vendors
from legacy_app.seams import events, shared_stock
from legacy_app.seams.strangling import hands, strangled
from strangler import Call, Owner, Ownership, Write
from strangler.service import Intent

REVIEW_FROM = 60  # of 100: cleared, and looked at later
REFUSALS = {"fraud": 422, "inventory": 409, "payment": 402}

Outcome = Mapping[str, Any]
Rest = Callable[[Session, Vendors, Order], None]


def observe_fraud(order: Order, checked: Outcome) -> Sequence[Intent]:
    asked = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    found = {name: checked[name] for name in ("score", "recent_orders", "recent_minor")}
    decided = {"order_ref": order.order_ref, "verdict": "cleared", **found}  # what is refused leaves no trace
    return [Call("fraud", "score", asked), Write("decision", decided)]


def observe_stock(order: Order, _result: object, *_given: object, version: int) -> Sequence[Intent]:
    """What the order holds afterwards."""
    held = {"order_ref": order.order_ref, "version": version, "pieces": shared_stock.wanted(order)}
    return [Write("reservation", held)]


def observe_charge(order: Order, charged: Outcome) -> Sequence[Intent]:
    asked = {"order_ref": order.order_ref, "client_ref": order.client_ref, "amount_minor": order.total_minor}
    taken = {"order_ref": order.order_ref, "charge_id": charged["charge_id"], "amount_minor": order.total_minor}
    return [Call("payments", "charge", {**asked, "currency": "GBP"}), Write("payment", taken)]


def too_risky(refusal: Exception) -> Outcome:
    return {"score": None, "tier": "high", "reason": str(refusal)}


def sold_out(refusal: Exception) -> Outcome:
    short = refusal if isinstance(refusal, shared_stock.SoldOut) else None
    return {"sold_out": short.sku if short else None, "short": short.short if short else 0}


def declined(refusal: Exception) -> Outcome:
    return {"charge_id": None, "amount_minor": 0, "reason": str(refusal)}


@strangled.awaited("fraud", ("FraudCleared", "FraudRefused"), observe_fraud, (Rejected,), too_risky)
def checking(order: Order) -> Outcome:
    session, vendors = hands(order)
    checked = check_fraud(session, order, vendors)
    tier = "medium" if (checked["score"] or 0) >= REVIEW_FROM else "low"
    return {**checked, "tier": tier, "reason": None}


@strangled.awaited("inventory", ("StockReserved", "StockRefused"), observe_stock, (Rejected,), sold_out)
def reserving(order: Order) -> Outcome:
    session, _ = hands(order)
    reserve(session, order)
    return {"sold_out": None, "short": 0}


@strangled.awaited("payment", ("PaymentTaken", "PaymentRefused"), observe_charge, (Rejected,), declined)
def charging(order: Order) -> Outcome:
    session, vendors = hands(order)
    return {"charge_id": charge(session, order, vendors), "amount_minor": order.total_minor, "reason": None}


def behind_payment(rest: Rest) -> Rest:
    """The order is placed; then `rest(session, vendors, order)` runs."""

    @strangled.after("payment")
    def placed(order: Order, _outcome: Outcome) -> None:
        order.status = "placed"
        strangled.changed(order, "OrderPlaced", events.placed(order))
        rest(*hands(order), order)

    return rest


@strangled.after("fraud")
@strangled.after("inventory")
def nothing_more(_order: Order, _outcome: Outcome) -> None:
    """The rest comes behind the payment."""


def reject(step: str, order: Order, outcome: Outcome) -> None:
    """In the caller's transaction: the order ends, and what legacy had done for it before is undone."""
    order.status, order.rejected_by, order.rejection = "rejected", step, reason_of(step, outcome)
    strangled.changed(order, "OrderRejected", events.rejected(order))
    if Ownership.from_header(order.ownership).of("inventory") is not Owner.NEW:
        shared_stock.release(hands(order)[0], order, keep={})


for _step, _status in REFUSALS.items():
    strangled.refused(_step, status=_status)(partial(reject, _step))


def reason_of(step: str, outcome: Outcome) -> str:
    """For the customer."""
    if step == "inventory":
        return str(shared_stock.SoldOut(str(outcome.get("sold_out")), int(outcome.get("short") or 0)))
    return str(outcome.get("reason") or f"refused by {step}")


def give_back_again(order: Order, _payload: Outcome) -> None:
    """For a stored cancellation: all that the order holds beyond what it wants by now."""
    shared_stock.release(hands(order)[0], order, keep=shared_stock.wanted(order))


@strangled.step("inventory", on=("OrderCancelled",), observe=observe_stock, redo=give_back_again, subject="order")
def give_back(session: Session, order: Order, pieces: Mapping[str, int]) -> None:
    shared_stock.give_back(session, order, pieces)
