"""Search: write the order's document, so that support finds it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from legacy_app.monolith.models import Order, SearchDocument
from legacy_app.seams import tail  # seam


@tail.indexing  # seam
def index(session: Session, order: Order) -> dict[str, Any]:
    """The document, in the monolith's own words."""
    kept = [line for line in order.lines if line.cancelled < line.quantity]
    document = {
        "ref": order.order_ref,
        "state": order.status,
        "sold_by": order.merchant_id,
        "channel": order.channel,
        "customer": order.customer_id,
        "country": order.country,
        "placed": order.placed_at,
        "pence": order.total_minor,
        "articles": sorted({line.sku for line in kept}),
        "words": [line.description.lower() for line in kept],
    }
    session.merge(SearchDocument(order_ref=order.order_ref, document=document))
    return document
