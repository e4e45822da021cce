"""Which pieces an order holds after an event. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from new_services.order_event import FraudDecided, OrderCancelled, OrderEvent, OrderRejected, StockDecided
from new_services.order_state import Order, state
from strangler import Write
from strangler.service import Intent

BEFORE_US = ("fraud", "inventory")  # steps whose refusal finds nothing reserved


def decide(event: OrderEvent) -> Sequence[Intent]:
    """Reserve a cleared order; beside legacy, the same once legacy has. Let go of what is cancelled or rejected."""
    match event:
        case FraudDecided(order) | StockDecided(order) | OrderCancelled(order):
            return [_reservation(order)]
        case OrderRejected(order, by) if by not in BEFORE_US:
            return [Write("release", {"order_ref": order.order_ref}, carry={"order": state(order)})]
        case _:
            return []


def _reservation(order: Order) -> Write:
    values = {"order_ref": order.order_ref, "version": order.version, "pieces": order.held()}
    return Write("reservation", values, carry={"order": state(order)})
