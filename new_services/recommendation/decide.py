"""Which articles stand for an order's basket. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from new_services.order_event import OrderCancelled, OrderEvent, OrderPlaced
from new_services.order_state import Order
from strangler import Write
from strangler.service import Intent

BASKET_SIZE = 5  # the SKUs that carry most of the value; pairs grow with its square


def decide(event: OrderEvent) -> Sequence[Intent]:
    match event:
        case OrderPlaced(order):
            return [_basket(order, _top_skus(order))]
        case OrderCancelled(order):
            return [_basket(order, [])] if order.status == "cancelled" else []
        case _:
            return []


def _basket(order: Order, skus: Sequence[str]) -> Write:
    body = {
        "order_ref": order.order_ref,
        "version": order.version,
        "customer_id": order.customer_id,
        "skus": list(skus),
    }
    return Write("basket", body)


def _top_skus(order: Order) -> list[str]:
    values: Counter[str] = Counter()
    for line in order.lines:
        values[line.sku] += line.quantity * line.unit_price_minor
    ranked = sorted(values, key=lambda sku: (-values[sku], sku))
    return ranked[:BASKET_SIZE]
