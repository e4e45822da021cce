"""What strangling added to the routes: an order is handed back to a step; a repeated reference gets its order.

A repeated reference charges nobody twice: the order's row is inserted before the first vendor call, so a second
request with the same reference waits on the first one's primary key, and ends here when the first has committed.
"""

from __future__ import annotations

import hmac
import os

from flask import Flask, Response, jsonify, request
from psycopg import errors
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from legacy_app.hand_back import STEPS, hand_back
from legacy_app.models import Order
from legacy_app.rejected import Rejected
from legacy_app.vendor_client import Vendors
from strangler.ownership import ORDER_REF_HEADER

PRIMARY_KEY = "orders_pkey"
TOKEN = "STRANGLER_INTERNAL_TOKEN"  # noqa: S105 - the variable's name


def register(app: Flask, sessions: sessionmaker[Session], vendors: Vendors) -> None:
    """Needs `STRANGLER_INTERNAL_TOKEN`; without it every hand-back is refused."""
    token = os.environ.get(TOKEN, "")

    def take_back(step: str, order_ref: str) -> tuple[Response, int]:
        _authorise(token)
        if step not in STEPS:
            raise Rejected(404, f"step {step[:80]!r} cannot be handed back; known: {', '.join(STEPS)}")
        with sessions.begin() as session:
            ran = hand_back(session, vendors, step, order_ref)
        return jsonify(step=step, order_ref=order_ref, versions=ran), 200

    def stored(error: IntegrityError) -> tuple[Response, int]:
        order = _repeated(sessions, error)
        if order is None:
            raise error
        body = {"order_ref": order.order_ref, "status": order.status, "version": order.version}
        return jsonify({**body, "total_minor": order.total_minor}), 201

    app.add_url_rule("/internal/steps/<step>/orders/<order_ref>", view_func=take_back, methods=["POST"])
    app.register_error_handler(IntegrityError, stored)


def _authorise(token: str) -> None:
    given = request.headers.get("Authorization", "")
    if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise Rejected(401, f"this route needs the bearer token of {TOKEN}")


def _repeated(sessions: sessionmaker[Session], error: IntegrityError) -> Order | None:
    cause = error.orig
    if not isinstance(cause, errors.UniqueViolation) or cause.diag.constraint_name != PRIMARY_KEY:
        return None
    with sessions() as session:
        return session.get(Order, request.headers.get(ORDER_REF_HEADER, ""))
