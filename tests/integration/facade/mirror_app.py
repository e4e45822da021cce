"""An application that says what it was asked, and answers in the ways in which WSGI applications do."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from strangler.http_server import serve

# Of one hop, or set by whoever stands in front.
LEFT_OUT = ("HTTP_CONNECTION", "HTTP_TE", "HTTP_TRAILER", "HTTP_KEEP_ALIVE", "HTTP_PROXY_", "HTTP_X_FORWARDED_")
LEFT_OUT_TOO = ("HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", "HTTP2")
STATUSES = {"/201": "201 Created", "/404": "404 Not Found", "/418": "418 Short and stout", "/500": "500 Broken"}


def make_app() -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        body = environ["wsgi.input"].read()
        if path in ("/204", "/304"):
            start_response(f"{path[1:]} Nothing", [("ETag", "e"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
            return []
        asked = {
            "method": environ["REQUEST_METHOD"],
            "target": environ["RAW_URI"],
            "fields": {
                name: value for name, value in sorted(environ.items())
                if name.startswith(("HTTP_", "CONTENT_")) and not name.startswith((*LEFT_OUT, *LEFT_OUT_TOO))
            },
            "body": [len(body), hashlib.sha256(body).hexdigest()],
        }  # fmt: skip
        said = json.dumps(asked, default=str).encode()
        fields = [("Content-Type", "application/json"), ("X-Latin", "caf\xe9"), ("Set-Cookie", "a=1")]
        if path == "/chunked":
            start_response("200 OK", fields)
            return pieces(said)
        if path == "/redirect":
            fields.append(("Location", "/next?a=%2F"))
        start_response(STATUSES.get(path, "200 OK"), [*fields, ("Content-Length", str(len(said)))])
        return [said]

    return app


def pieces(said: bytes) -> Iterator[bytes]:
    yield from (said[:10], said[10:], b"x" * 100_000)


if __name__ == "__main__":
    serve(make_app, port=int(os.environ["PORT"]))
