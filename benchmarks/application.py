"""The application behind the facade, as small as Flask allows: what is measured is what stands before it."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request


def make_app() -> Flask:
    app = Flask("benchmark")

    @app.post("/orders")
    def place() -> tuple[Response, int]:
        return jsonify(
            order_ref=request.headers.get("Strangler-Order-Ref"), lines=len(request.get_json()["lines"])
        ), 201

    @app.get("/x")
    def answer() -> Response:
        return jsonify(ok=True)

    return app
