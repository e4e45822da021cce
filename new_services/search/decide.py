"""What an order's search document says. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from new_services.order_event import OrderCancelled, OrderEvent, OrderPlaced
from new_services.order_state import Order
from strangler import Write
from strangler.service import Intent


def decide(event: OrderEvent) -> Sequence[Intent]:
    match event:
        case OrderPlaced(order) | OrderCancelled(order):
            return [_document(order)]
        case _:
            return []


def _document(order: Order) -> Write:
    remaining = [line for line in order.lines if line.remaining > 0]
    document = {
        "order_ref": order.order_ref,
        "version": order.version,
        "status": order.status,
        "channel": order.channel,
        "merchant_id": order.merchant_id,
        "customer_id": order.customer_id,
        "country": order.country,
        "placed_at": order.placed_at,
        "total_minor": order.total_minor,
        "skus": sorted({line.sku for line in remaining}),
        "text": " | ".join(line.description.lower() for line in remaining),
    }
    return Write("document", document)
