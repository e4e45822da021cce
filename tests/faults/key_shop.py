"""The application of a campaign of keys: it takes each reference once, and answers as chance will have it."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.support.http_stub import HANG_UP, HttpStub, Reply, Seen, answer

# What becomes of a request, and whether it is carried out. Half of them go well.
WAYS = {
    "well": True,
    "error": True,  # a 500 behind its commit
    "broken": True,
    "broken before": False,
    "cut": True,  # in the middle of its answer
    "busy": False,  # with a time to come again
    "gateway": True,
    "gateway before": False,
    "refused": False,
}
REF = "Strangler-Order-Ref"


@dataclass
class KeyShop:
    """`made`: references by what the client calls its wish; `ran`: how often each command was carried out."""

    app: HttpStub
    seed: int
    made: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    orders: dict[str, bytes] = field(default_factory=dict)
    ran: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.app.reply = self.reply

    def reply(self, seen: Seen) -> Reply:
        if seen.method == "GET":
            found = self.orders.get(seen.target.rpartition("/")[2])
            return answer(200, found) if found else answer(404, b"none")
        if len(seen.body) < int(seen.values("Content-Length")[0]):
            return HANG_UP  # its facade was killed while it sent
        wish = json.loads(seen.body)["wish"]
        with self.lock:
            way = self._way(wish)
            made = self._carry_out(seen, wish) if WAYS[way] else b""
        return self._said(way, made, wish)

    def _way(self, wish: str) -> str:
        """By the seed, the wish and the number of its try, so that a run can be repeated."""
        self.tries[wish] += 1
        rng = random.Random(f"{self.seed}:{wish}:{self.tries[wish]}")
        way = "well" if rng.random() < 0.5 else rng.choice(list(WAYS))
        self.ways[way] += 1
        return way

    def _carry_out(self, seen: Seen, wish: str) -> bytes:
        """An order whose reference is there already is refused, as by a unique column."""
        if re.fullmatch(r"/orders/[^/]+/\w+", seen.target):
            self.ran[wish] += 1
            return json.dumps({"ran": wish, "nth": self.ran[wish]}).encode()
        ref = seen.values(REF)[0]
        if ref in self.orders:
            return b""
        self.orders[ref] = json.dumps({"ref": ref, "wish": wish}).encode()
        self.made[wish].append(ref)
        return self.orders[ref]

    def _said(self, way: str, made: bytes, wish: str) -> Reply:
        gateway = answer(502 + self.tries[wish] % 3, b"gateway")
        well = answer(201, made, "X-Odd: a\x01b") if made else answer(500, b"there is one already")
        said: dict[str, Reply] = {
            "well": well,
            "error": answer(500, b"behind the commit"),
            "refused": answer(403, b"not you"),
            "busy": answer(503, b"busy", "Retry-After: 0"),
            "gateway": gateway,
            "gateway before": gateway,
            "cut": [answer(201, made + b"more")[:-4]],
        }
        return said.get(way, HANG_UP)
