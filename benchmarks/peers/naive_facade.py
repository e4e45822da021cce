"""What a team would write in an afternoon: Flask, and a `requests.Session` that passes everything on. For gunicorn."""

from __future__ import annotations

import os

import requests
from flask import Flask, Response, request

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
HOP = {"connection", "transfer-encoding", "content-encoding", "content-length", "host", "keep-alive"}


def make_app() -> Flask:
    app, session, upstream = Flask("naive"), requests.Session(), os.environ["LEGACY_URL"]
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    def forward(path: str) -> Response:
        sent = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        url = f"{upstream}/{path}"
        answer = session.request(request.method, url, data=request.get_data(), headers=sent, timeout=30)
        given = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
        return Response(answer.content, answer.status_code, given)

    return app
