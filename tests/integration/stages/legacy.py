"""A monolith's two routes that a hand-back needs, over real HTTP: does an order exist, and run this step for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.http_stub import Seen, answer, http_stub

TOKEN = "internal-token-of-the-test"


class Monolith:
    """`asked` counts looks at an order, `runs` (step, order) pairs run; the next `failures` requests get a 500."""

    def __init__(self) -> None:
        self.url = ""
        self.orders: set[str] = set()
        self.too_old: set[str] = set()
        self.asked: Counter[str] = Counter()
        self.runs: Counter[tuple[str, str]] = Counter()
        self.failures = 0
        self.lock = threading.Lock()

    def reply(self, seen: Seen) -> bytes:
        with self.lock:
            return answer(self._status(seen), b"")

    def _status(self, seen: Seen) -> int:
        if self.failures:
            self.failures -= 1
            return 500
        match (seen.method, seen.target.strip("/").split("/")):
            case _ if seen.value("Authorization") != f"Bearer {TOKEN}":
                return 401
            case ("GET", ["internal", "strangler", "subjects", order_ref]):
                self.asked[order_ref] += 1
                return 200 if order_ref in self.orders else 404
            case ("POST", ["internal", "strangler", "steps", step, "subjects", order_ref]):
                if order_ref not in self.orders or order_ref in self.too_old:
                    return 410 if order_ref in self.too_old else 404
                self.runs[step, order_ref] += 1
                return 200
        return 405


@contextmanager
def serving(monolith: Monolith) -> Iterator[Monolith]:
    """On a free port of loopback, until the block ends."""
    with http_stub(monolith.reply) as stub:
        monolith.url = stub.url
        yield monolith
