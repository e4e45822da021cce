"""The shop's `Strangled`, what its steps work with, and what `create_app` says for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, current_app, jsonify
from requests import Response
from sqlalchemy.orm import Session, object_session, sessionmaker

from legacy_app.monolith.models import Order
from legacy_app.monolith.rejected import Rejected
from legacy_app.monolith.vendor_client import Vendors
from strangler.errors import BadInput
from strangler.flask import Strangled

Answer = Callable[[Order], Mapping[str, Any]]
Answered = Any  # what a view of Flask returns
VENDORS = "vendors"
WAIT_S = "LEGACY_WAIT_S"


class Unsettled(Rejected):
    """Nobody knows yet whether the order will be: come again."""


def wait_s() -> float:
    """LEGACY_WAIT_S: how long a request waits for an outcome; clients give up after a second, workers are few."""
    given = os.environ.get(WAIT_S, "0.1")
    try:
        return float(given)
    except ValueError as error:
        raise BadInput(f"{WAIT_S} is {given!r}; give seconds, such as 0.1") from error


def context(order: Order) -> Mapping[str, str]:
    """A merchant's name travels in a header: one that cannot is told apart by no more than that."""
    merchant_id = order.merchant_id or "shop"
    fits = merchant_id.isascii() and merchant_id.isprintable()
    return {"tenant": merchant_id if fits else "unprintable", "class": "order"}


strangled = Strangled("order", wait_s=wait_s(), context=context)


def register(app: Flask, sessions: sessionmaker[Session], vendors: Vendors, answer: Answer) -> None:
    """In `create_app`."""
    use(app, vendors)
    strangled.map(Order, ref="order_ref", version="subject_version")
    strangled.init_app(app, sessions, Order, answer=answer)
    app.register_error_handler(Unsettled, lambda error: (jsonify(error=str(error)), error.status, {"Retry-After": "1"}))


def use(app: Flask, vendors: Vendors) -> None:
    """By what its steps reach the vendors. A final no rejects the order: as found it looked like a failure."""
    vendors._session.hooks["response"].append(declined)
    app.extensions[VENDORS] = vendors


def declined(response: Response, **_how: object) -> None:
    if response.status_code == 402:
        raise Rejected(402, "the payment was declined; try another card")


def hands(order: Order) -> tuple[Session, Vendors]:
    """What a step of the monolith works with, beside the order."""
    session = object_session(order)
    if session is None:
        raise BadInput(f"order {order.order_ref} is in no session; load it by one before its steps run")
    vendors: Vendors = current_app.extensions[VENDORS]
    return session, vendors


def open_to_change(order: Order) -> None:
    """Refuse changes of an order that waits for its outcome, or was rejected."""
    if order.status == "pending":
        raise Unsettled(409, f"order {order.order_ref} is still being decided; try again in a second")
    if order.status == "rejected":
        raise Rejected(409, f"order {order.order_ref} was rejected; there is nothing to cancel")
