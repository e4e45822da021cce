"""What strangling added to the routes: waiting for an outcome, hand-backs, and the truth about a repeated reference.

A repeated reference charges nobody twice: the order's row is inserted before the first vendor call, so a second
request with the same reference waits on the first one's primary key, and ends here when the first has committed.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Any

import psycopg
from flask import Flask, Response, jsonify, make_response, request
from psycopg import errors
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from legacy_app import told
from legacy_app.hand_back import STEPS, hand_back
from legacy_app.models import Order
from legacy_app.pausing import wait_s
from legacy_app.rejected import Rejected
from legacy_app.seams import REFERENCE_HEADER, Unsettled
from legacy_app.vendor_client import Vendors
from legacy_app.waiting import Waiting
from outbox.connection import PsycopgConnection
from outbox.fault_points import FaultPoints
from strangler.continuation.wakeups import Wakeups

PRIMARY_KEY = "orders_pkey"
View = Callable[..., Any]  # as Flask keeps them
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

    def stored(error: IntegrityError) -> Response:
        order = _repeated(sessions, error)
        if order is None:
            raise error
        return told.placed(order)

    app.add_url_rule("/internal/steps/<step>/orders/<order_ref>", view_func=take_back, methods=["POST"])
    app.register_error_handler(IntegrityError, stored)
    app.register_error_handler(Unsettled, lambda error: (jsonify(error=str(error)), error.status, {"Retry-After": "1"}))
    fault_points = FaultPoints.from_environ(os.environ)
    waiting = Waiting(sessions, vendors, Wakeups(lambda: _listen(sessions)), wait_s(), fault_points)
    app.view_functions["place"] = _awaited(app.view_functions["place"], waiting)
    app.view_functions["show"] = _truthful(app.view_functions["show"], sessions)


def _awaited(place: View, waiting: Waiting) -> View:
    """Placing an order that was kept as pending goes on here, after its commit."""

    def placed() -> Response:
        answer = make_response(place())
        body = answer.get_json()
        return told.placed(waiting.finish(body["order_ref"])) if body["status"] == "pending" else answer

    return placed


def _truthful(show: View, sessions: sessionmaker[Session]) -> View:
    """Looking at an order also says why it was rejected, and what placing it would be answered now."""

    def shown(order_ref: str) -> Response:
        with sessions() as session:
            order = session.get(Order, order_ref)
        return make_response(show(order_ref)) if order is None else told.shown(order)

    return shown


def _listen(sessions: sessionmaker[Session]) -> PsycopgConnection:
    engine: Engine = sessions.kw["bind"]
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="continuations")


def _authorise(token: str) -> None:
    given = request.headers.get("Authorization", "")
    if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise Rejected(401, f"this route needs the bearer token of {TOKEN}")


def _repeated(sessions: sessionmaker[Session], error: IntegrityError) -> Order | None:
    cause = error.orig
    if not isinstance(cause, errors.UniqueViolation) or cause.diag.constraint_name != PRIMARY_KEY:
        return None
    with sessions() as session:
        return session.get(Order, request.headers.get(REFERENCE_HEADER, ""))
