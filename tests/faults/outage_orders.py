"""Orders for an outage: as legacy keeps them when inventory and payment are the new side's, over few hot SKUs."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping

import psycopg

from outbox import append
from strangler.continuation import table as continuation
from strangler.step.intents import Json
from tests.support.orders import of_order

HOT = ("hot-0", "hot-1", "hot-2", "hot-3", "hot-4")
SCARCE = HOT[0]
PLENTY = 1_000_000
PRICE = 250
OWNERS = ", ".join(f"{step}=new" for step in ("inventory", "payment", "notification", "search", "recommendation"))
TICK_S = 0.05

ADD_STOCK = "INSERT INTO legacy.stock (sku, on_hand) VALUES (%s, %s)"
ADD_ORDER = """
INSERT INTO legacy.orders
    (order_ref, client_ref, channel, country, placed_at, status, total_minor, subject_version, ownership)
VALUES (%s, %s, 'web', 'France', '2011-06-01T08:26:00', 'pending', %s, 1, %s)"""
ADD_CHANGE = """
INSERT INTO strangler.subject_change (subject_ref, version, type, process, event, epoch)
VALUES (%s, 1, %s, 0, %s, %s)"""
ADD_LINE = """
INSERT INTO legacy.order_line (order_ref, line_no, sku, description, quantity, unit_price_minor)
VALUES (%s, %s, %s, %s, %s, %s)"""


class Orders:
    """The only source of orders of a run. `stock`: how many pieces of each SKU there are at the start."""

    def __init__(self, dsn: str, *, scarce: int) -> None:
        self.stock: Mapping[str, int] = {**dict.fromkeys(HOT, PLENTY), SCARCE: scarce}
        self.refs: list[str] = []
        self._rng = random.Random(7)
        self._connection = psycopg.connect(dsn)
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(ADD_STOCK, list(self.stock.items()))

    def place(self, count: int) -> None:
        """So many at once: rows, continuation and events in one transaction."""
        with self._connection.transaction(), self._connection.pipeline():
            for _ in range(count):
                self._place_one(f"outage-{len(self.refs)}")

    def at_rate(self, per_s: float, stop: threading.Event) -> None:
        """Until told to stop."""
        began, placed = time.monotonic(), 0
        while not stop.wait(TICK_S):
            due = int((time.monotonic() - began) * per_s) - placed
            self.place(due)
            placed += due

    def close(self) -> None:
        self._connection.close()

    def _place_one(self, ref: str) -> None:
        lines = [self._line(sku) for sku in self._rng.sample(HOT, 2)]
        total = sum(line["quantity"] * line["unit_price_minor"] for line in lines)
        given = {"lines": lines, "total_minor": total, "country": "France", "customer_id": None}
        received = of_order("OrderReceived", ref, OWNERS, **given)
        run = self._connection.execute
        run(ADD_ORDER, (ref, f"client-{ref}", total, received.context["ownership"]))
        for number, line in enumerate(lines, 1):
            run(ADD_LINE, (ref, number, line["sku"], line["sku"], line["quantity"], line["unit_price_minor"]))
        run(ADD_CHANGE, (ref, received.type, received.id, received.context["epoch"]))
        waits = {"subject_ref": ref, "waits_for": "payment", "state": "waiting", "wait_s": 0.0, "version": 1}
        run(continuation.WAIT, {**waits, "rest": ["inventory", "payment"], "carry": received.payload.decode()})
        append(self._connection, received)
        append(self._connection, of_order("FraudCleared", ref, OWNERS, **given))
        self.refs.append(ref)

    def _line(self, sku: str) -> dict[str, Json]:
        quantity = self._rng.randint(1, 3)
        return {"sku": sku, "description": sku, "quantity": quantity, "cancelled": 0, "unit_price_minor": PRICE}
