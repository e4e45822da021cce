"""A Flask application that takes orders, served by gunicorn: it resolves paths as real applications do."""

from __future__ import annotations

import os

from flask import Flask, Response, jsonify, request

from strangler.http_server import serve

REF = "Strangler-Order-Ref"


def make_app() -> Flask:
    """`GET /ledger` lists what was carried out, in order; `POST /internal/...` stands for a hand-back."""
    app = Flask(__name__)
    app.url_map.strict_slashes = os.environ.get("STRICT_SLASHES") == "1"
    done: list[dict[str, str | None]] = []

    def carried_out(what: str, order_ref: str | None) -> Response:
        done.append({"what": what, "ref": order_ref, "header": request.headers.get(REF)})
        return jsonify(done[-1] | {"nth": len(done)})

    @app.post("/orders")
    def order() -> tuple[Response, int]:
        return carried_out("order", None), 201

    @app.post("/orders/<order_ref>/cancellations")
    def cancel(order_ref: str) -> tuple[Response, int]:
        return carried_out("cancellation", order_ref), 201

    @app.post("/internal/steps/<step>/orders/<order_ref>")
    def take_back(step: str, order_ref: str) -> Response:
        return carried_out(step, order_ref)

    @app.get("/ledger")
    def ledger() -> Response:
        return jsonify(done)

    return app


if __name__ == "__main__":
    serve(make_app, port=int(os.environ["PORT"]))
