"""The two processes of a continuation's fault run: the application with a request, and its resumer over a table.

Kafka is left out: the resumer's handler reads outcomes from `fault.delivery` and marks them in the transaction that
stores them, as the consumer runtime does with its position. So a seed takes a second, not ten. To be imported in the
process itself, whose environment says where it stops.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Mapping

import psycopg

from legacy_app.monolith.app import create_app
from legacy_app.seams.resuming import create_resumed
from legacy_app.seams.strangling import strangled
from outbox import Event
from outbox.event import ReceivedEvent
from outbox.fault_points import FaultPoints
from strangler.continuation.outcomes import StoreOutcomes
from strangler.continuation.runner import Runner, RunnerSettings

QUICK = RunnerSettings(threads=2, poll_s=0.02, backoff_base_s=0.02, backoff_cap_s=0.2)
TAKE = """
SELECT place, topic, order_ref, type, payload FROM fault.delivery
WHERE NOT consumed ORDER BY place LIMIT 16 FOR UPDATE"""
CONSUMED = "UPDATE fault.delivery SET consumed = true WHERE place = ANY (%s)"
STORED_POINT = "consumer.committed"


def request(order_ref: str, ownership: str, body: Mapping[str, object]) -> int:
    """Place an order; the answer's status less 200: 1 placed, 2 pending, 202 and above a refusal."""
    client = create_app(os.environ["STRANGLER_DSN"], os.environ["VENDORS_URL"]).test_client()
    headers = {"Strangler-Order-Ref": order_ref, "Strangler-Ownership": ownership}
    answer = client.post("/orders", data=json.dumps(body), headers=headers)
    said = answer.get_json()
    assert said.get("order_ref") == order_ref, f"answered {answer.status_code} {said}"
    return answer.status_code - 200


def resumer(seed: int) -> int:
    """Store outcomes and go on with orders until SIGTERM."""
    create_resumed()
    fault_points, dsn = FaultPoints.from_environ(os.environ), os.environ["STRANGLER_DSN"]
    runner = Runner(
        connect=lambda: psycopg.connect(dsn, autocommit=True),
        rest=strangled.go_on,
        settings=QUICK,
        rng=random.Random(seed),
    )
    threading.Thread(target=runner.run, daemon=True).start()
    handler, rested = StoreOutcomes(strangled.tells(), fault_points), threading.Event()
    with psycopg.connect(dsn) as connection:
        while True:
            rows = connection.execute(TAKE).fetchall()
            if rows:
                events = [
                    ReceivedEvent(Event(topic, ref, 1, type_, payload), topic, 0, place, None)
                    for place, topic, ref, type_, payload in rows
                ]
                handler(connection, events)
                connection.execute(CONSUMED, ([row[0] for row in rows],))
            connection.commit()
            if rows:
                fault_points.reach(STORED_POINT)
            else:
                rested.wait(0.005)
