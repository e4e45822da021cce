"""A mail vendor for tests: real HTTP on loopback, accepts a key once, and answers as the test says."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote

ADMIN_TOKEN = "test-admin"


@dataclass
class MailServer:
    """`accepted` is the ledger; `answers` are the statuses of the next calls, 202 when there are none.

    A status below 0 accepts the mail and answers with its absolute value: it acted, the caller is told it did not.
    """

    url: str = ""
    accepted: dict[str, object] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    looked_up: Counter[str] = field(default_factory=Counter)
    answers: list[int] = field(default_factory=list)


class _Answering(BaseHTTPRequestHandler):
    server_state: ClassVar[MailServer]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        state.asked[key] += 1
        status = state.answers.pop(0) if state.answers else 202
        if status == 202 or status < 0:
            state.accepted.setdefault(key, body)
        self._answer(abs(status))

    def do_GET(self) -> None:
        key = unquote(self.path.removeprefix("/mail/messages/"))
        self.server_state.looked_up[key] += 1
        self._answer(200 if key in self.server_state.accepted else 404)

    def do_DELETE(self) -> None:
        key = unquote(self.path.removeprefix("/ledger/mail/"))
        allowed = self.headers["Authorization"] == f"Bearer {ADMIN_TOKEN}"
        self._answer(401 if not allowed else 200 if self.server_state.accepted.pop(key, None) is not None else 404)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Quiet."""


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A vendor on a free port of loopback."""
    state = MailServer()
    handler = type("Answering", (_Answering,), {"server_state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join(30)
