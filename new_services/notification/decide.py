"""Which mail an order event asks for. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from new_services.order_event import OrderCancelled, OrderEvent, OrderPlaced
from new_services.order_state import Order
from strangler import Call
from strangler.service import Intent

VENDOR = "mail"


def decide(event: OrderEvent) -> Sequence[Intent]:
    match event:
        case OrderPlaced(order):
            return [_mail(order, "order_confirmation", order.order_ref, order.total_minor)]
        case OrderCancelled(order, cancellation_ref, refund_minor):
            return [_mail(order, "cancellation_confirmation", cancellation_ref, refund_minor)]
        case _:
            return []


def _mail(order: Order, template: str, subject_ref: str, total_minor: int) -> Call:
    body = {
        "to": _recipient(order),
        "template": template,
        "order_ref": order.order_ref,
        "subject_ref": subject_ref,
        "total_minor": total_minor,
    }
    return Call(VENDOR, "send", body)


def _recipient(order: Order) -> str:
    if order.customer_id:
        return f"customer-{order.customer_id}@example.invalid"
    return f"guest-{order.order_ref[:8]}@example.invalid"
