"""Pricing: what an order costs now, without what was cancelled."""

from __future__ import annotations

from legacy_app.monolith.models import Order


def price(order: Order) -> int:
    """In pence."""
    return sum((line.quantity - line.cancelled) * line.unit_price_minor for line in order.lines)
