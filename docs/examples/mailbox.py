"""A mail service to try with: it knows keys, can be looked up, and has a ledger. `PORT=8025 python mailbox.py`."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

SENT: dict[str, Any] = {}  # by key; one without a key is another each time
LOCK = Lock()


class Mailbox(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with LOCK:
            SENT.setdefault(self.headers["Idempotency-Key"] or f"none-{len(SENT)}", body)
        self.answer(201, {})

    def do_GET(self) -> None:
        key = parse_qs(urlsplit(self.path).query).get("key", [""])[0]
        with LOCK:
            if key:
                self.answer(200 if key in SENT else 404, {})
            else:
                self.answer(200, [{"key": known, "body": body} for known, body in SENT.items()])

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing: its ledger is its log."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Mailbox).serve_forever()
