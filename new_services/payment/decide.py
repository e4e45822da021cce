"""What payment asks of its vendor, and what follows from the answer. Pure.

The charge's key is the same for ever. Its refund is asked for by that key: the vendor gives the charge back, or, where
none was made, refuses every later one; so it does not matter which of the two arrives first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from new_services.order_event import OrderCancelled, OrderEvent, OrderRejected, PaymentDecided, StockDecided
from new_services.order_state import Order, state
from strangler import Call, Outcome, Write
from strangler.service import Effect, Ending, Intent, Json

COMPENSATION = 2  # the aggregate version of an event by which the step takes back what it did
VENDOR, CHARGE, REFUND = "payments", "charge", "refund"
UP_TO_US = ("fraud", "inventory", "payment")  # steps whose refusal means that nothing was charged
REVIEW = "fraud-review"  # the cancellation by which a late review refuses the whole order


def decide(event: OrderEvent) -> Sequence[Intent]:
    """Charge an order that holds its stock; beside legacy, what legacy charged. Give back what is rejected, and what
    fraud's late review refuses; what a customer cancels is paid out by the nightly batch.
    """
    match event:
        case StockDecided(order):
            return [_charge(order)]
        case PaymentDecided(order, _, charge_id, amount_minor):
            return [_charge(order), _payment(order.order_ref, charge_id, amount_minor)]
        case OrderRejected(order, by) if by not in UP_TO_US:
            return [_refund(order, order.total_minor)]
        case OrderCancelled(order, cancellation_ref) if cancellation_ref == REVIEW and not order.held():
            return [_refund(order, sum(line.quantity * line.unit_price_minor for line in order.lines))]
        case _:
            return []


def conclude(effect: Effect, ending: Ending, outcome: Mapping[str, Json]) -> Sequence[Intent]:
    """The payment's row, and the outcome's event."""
    done, amount = ending is Ending.DONE, effect.carry["order"]["total_minor"]
    match effect.operation, done:
        case "charge", True:
            told = {"charge_id": outcome["charge_id"], "amount_minor": amount, "reason": None}
            row = _payment(effect.subject_ref, outcome["charge_id"], amount)
            return [row, Outcome("PaymentTaken", effect.carry["order"], told)]
        case "charge", False:
            told = {"charge_id": None, "amount_minor": amount, "reason": outcome.get("reason")}
            return [Outcome("PaymentRefused", effect.carry["order"], told)]
        case "refund", True:
            return _refunded(effect, outcome)
        case _:
            return []  # a refund is owed still: the effect says so, and its order misses its deadline by name


def _refunded(effect: Effect, outcome: Mapping[str, Json]) -> Sequence[Intent]:
    charge_id, amount = outcome["charge_id"], outcome["amount_minor"]
    told = {"charge_id": charge_id or None, "amount_minor": amount, "reason": outcome["refund_status"]}
    event = Outcome("PaymentRefunded", effect.carry["order"], told, COMPENSATION)
    if not charge_id:
        return [event]
    values = {"order_ref": effect.subject_ref, "charge_id": charge_id, "amount_minor": amount}
    return [Write("refund", values), event]


def _charge(order: Order) -> Call:
    body = {
        "order_ref": order.order_ref,
        "client_ref": order.client_ref,
        "amount_minor": order.total_minor,
        "currency": order.currency,
    }
    return Call(VENDOR, CHARGE, body, carry={"order": state(order)})


def _refund(order: Order, amount_minor: int) -> Call:
    body = {"order_ref": order.order_ref, "amount_minor": amount_minor}
    return Call(VENDOR, REFUND, body, carry={"order": state(order)})


def _payment(order_ref: str, charge_id: str | None, amount_minor: int) -> Write:
    return Write("payment", {"order_ref": order_ref, "charge_id": charge_id, "amount_minor": amount_minor})
