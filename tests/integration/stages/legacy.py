"""A monolith's two routes that a hand-back needs, over real HTTP: does an order exist, and run this step for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "internal-token-of-the-test"


class Monolith:
    """`asked` counts looks at an order, `runs` (step, order) pairs run; the next `failures` requests get a 500."""

    def __init__(self) -> None:
        self.url = ""
        self.orders: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.runs: Counter[tuple[str, str]] = Counter()
        self.failures = 0
        self.lock = threading.Lock()

    def answer(self, method: str, path: str, authorization: str | None) -> int:
        with self.lock:
            if self.failures:
                self.failures -= 1
                return 500
            match (method, path.strip("/").split("/")):
                case ("GET", ["orders", order_ref]):
                    self.asked[order_ref] += 1
                    return 200 if order_ref in self.orders else 404
                case ("POST", ["internal", "steps", step, "orders", order_ref]):
                    if authorization != f"Bearer {TOKEN}":
                        return 401
                    if order_ref not in self.orders:
                        return 404
                    self.runs[step, order_ref] += 1
                    return 200
            return 405


@contextmanager
def serving(monolith: Monolith) -> Iterator[Monolith]:
    """On a free port of loopback, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(monolith.answer(self.command, self.path, self.headers["Authorization"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
            """The test reads `runs` instead."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        monolith.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield monolith
        finally:
            server.shutdown()
            thread.join(timeout=30)
