"""The monolith's HTTP surface: place an order, look at it, cancel parts of it."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Response, jsonify, request
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from legacy_app.monolith.chain import cancel_order, place_order
from legacy_app.monolith.models import Order, make_engine
from legacy_app.monolith.reading import read_cancellation, read_order
from legacy_app.monolith.rejected import Rejected
from legacy_app.monolith.vendor_client import VendorFailed, Vendors
from legacy_app.seams import events, strangling  # seam

MAX_BODY_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shop:
    """What the routes work with; one per worker."""

    sessions: sessionmaker[Session]
    vendors: Vendors

    # found: def place(self) -> tuple[Response, int]:
    def place(self) -> strangling.Answered:  # seam
        order = read_order(request.get_json(force=True))
        # found: with self.sessions.begin() as session:
        # found:     place_order(session, self.vendors, order)
        # found: return jsonify(describe(order)), 201
        with self.sessions() as session:  # seam
            return place_order(session, order, answer=describe)  # seam

    def show(self, order_ref: str) -> tuple[Response, int]:
        with self.sessions() as session:
            order = session.get(Order, order_ref)
        if order is None:
            raise Rejected(404, f"there is no order {order_ref[:80]}")
        return jsonify(describe(order)), 200

    def cancel(self, order_ref: str) -> tuple[Response, int]:
        cancellation_ref, pieces = read_cancellation(request.get_json(force=True))
        with self.sessions.begin() as session:
            order = cancel_order(session, self.vendors, order_ref, cancellation_ref, pieces)
        return jsonify(describe(order)), 201


def describe(order: Order) -> dict[str, str | int]:
    return {
        "order_ref": order.order_ref,
        "status": order.status,
        "version": order.version,
        "total_minor": order.total_minor,
        **events.refused(order),  # seam
    }


def create_app(dsn: str, vendors_url: str) -> Flask:
    """A worker's application; it connects to nothing yet."""
    app = Flask("legacy_app")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    shop = Shop(sessionmaker(make_engine(dsn), expire_on_commit=False), Vendors(vendors_url))
    app.add_url_rule("/orders", view_func=shop.place, methods=["POST"])
    app.add_url_rule("/orders/<order_ref>", view_func=shop.show, methods=["GET"])
    app.add_url_rule("/orders/<order_ref>/cancellations", view_func=shop.cancel, methods=["POST"])
    app.add_url_rule("/healthz", view_func=healthz, methods=["GET"])
    strangling.register(app, shop.sessions, shop.vendors, describe)  # seam
    app.register_error_handler(Rejected, lambda error: (jsonify(error=str(error)), error.status))
    app.register_error_handler(VendorFailed, lambda error: (jsonify(error=str(error)), 502))
    app.register_error_handler(HTTPException, http_error)
    return app


def healthz() -> Response:
    return jsonify(status="ok")


def http_error(error: HTTPException) -> AnyResponse | tuple[Response, int]:
    code = error.code
    if code is None:
        return error.get_response()
    return jsonify(error=error.description), code
