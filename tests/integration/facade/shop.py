"""An application that takes orders, for tests of owned writes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tests.support.http_stub import HANG_UP, HttpStub, Reply, Seen, answer

JSON = "Content-Type: application/json"


@dataclass
class Shop:
    """`orders` by reference. `lose`: keep the order but hang up. `refuse`: hang up and keep nothing.

    `says`: header fields of looking at an order.
    """

    app: HttpStub
    orders: dict[str, bytes] = field(default_factory=dict)
    lose: bool = False
    refuse: bool = False
    says: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.app.reply = self.reply

    def reply(self, seen: Seen) -> Reply:
        method, target = seen.line.split(" ")[:2]
        if method == "GET":
            found = self.orders.get(target.removeprefix("/orders/"))
            return answer(200, found, JSON, *self.says) if found else answer(404, b"{}", JSON)
        if re.fullmatch(r"/orders/[^/]+/cancellations", target):
            return HANG_UP if self.refuse else answer(201, b'{"status":"cancelled"}', JSON)
        if self.refuse or method != "POST":
            return HANG_UP
        order_ref = seen.values("Strangler-Order-Ref")[0]
        self.orders[order_ref] = json.dumps({"order_ref": order_ref, "seen_as": "order"}).encode()
        made = json.dumps({"order_ref": order_ref, "nth": len(self.orders)}).encode()
        return HANG_UP if self.lose else answer(201, made, JSON, "Set-Cookie: a=1", "Set-Cookie: b=2")

    @property
    def posted(self) -> list[Seen]:
        return self.app.asked("POST")
