"""What a client is told of an order: the truth at the time, and the status that placing it would have now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Response, jsonify

from legacy_app.models import Order
from legacy_app.order_events import rejection
from strangler.ownership import CREATION_STATUS_HEADER

REFUSED_BY = {"fraud": 422, "inventory": 409, "payment": 402}


def creation_status(order: Order) -> int:
    """201 for an order, 202 for one that may still be refused, else the refusal's."""
    match order.status:
        case "pending":
            return 202
        case "rejected":
            return REFUSED_BY.get(order.rejected_by or "", 409)
        case _:
            return 201


def placed(order: Order) -> Response:
    """The answer to placing it."""
    answer = jsonify(body(order))
    answer.status_code = creation_status(order)
    if order.status == "pending":
        answer.headers["Location"] = location(order)
        answer.headers["Retry-After"] = "1"
    return answer


def shown(order: Order) -> Response:
    """The answer to looking at it."""
    answer = jsonify(body(order))
    answer.headers[CREATION_STATUS_HEADER] = str(creation_status(order))
    return answer


def body(order: Order) -> Mapping[str, Any]:
    """The monolith's fields, and why it was refused."""
    said = {
        "order_ref": order.order_ref,
        "status": order.status,
        "version": order.version,
        "total_minor": order.total_minor,
    }
    if order.status == "rejected":
        return {**said, "rejection": rejection(order), "error": order.rejection}
    return said


def location(order: Order) -> str:
    return f"/orders/{quote(order.order_ref, safe='')}"
