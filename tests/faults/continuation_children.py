"""The two processes of a continuation's fault run, forked for each seed: a request, and a resumer over a table.

Kafka is left out: the resumer's handler reads outcomes from `fault.delivery` and marks them in the transaction that
stores them, as the consumer runtime does with its position. So a seed takes a second, not ten.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from sqlalchemy.orm import sessionmaker

from legacy_app.app import create_app
from legacy_app.models import make_engine
from legacy_app.order_events import OUTCOMES
from legacy_app.rest import Rest
from legacy_app.resume.vendors import PerThread
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


def fork(log: Path, environ: Mapping[str, str], body: Callable[[], int]) -> int:
    """Run `body` in a child whose exit code it is; the child's pid. The caller has no threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with log.open("ab", buffering=0) as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.environ.update(environ)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = body()
    finally:
        os._exit(code)


def request(dsn: str, vendors_url: str, order_ref: str, ownership: str, body: Mapping[str, object]) -> int:
    """Place an order; the answer's status less 200: 1 placed, 2 pending, 202 and above a refusal."""
    client = create_app(dsn, vendors_url).test_client()
    headers = {"Strangler-Order-Ref": order_ref, "Strangler-Ownership": ownership}
    answer = client.post("/orders", data=json.dumps(body), headers=headers)
    said = answer.get_json()
    if said.get("order_ref") != order_ref:
        sys.stderr.write(f"answered {answer.status_code} {said}\n")
        return 71
    return answer.status_code - 200


def resumer(dsn: str, vendors_url: str, seed: int) -> int:
    """Store outcomes and go on with orders until SIGTERM."""
    fault_points = FaultPoints.from_environ(os.environ)
    rest = Rest(sessionmaker(make_engine(dsn), expire_on_commit=False), fault_points)
    each = PerThread(vendors_url)
    runner = Runner(
        connect=lambda: psycopg.connect(dsn, autocommit=True),
        rest=lambda order_ref: rest.run(each.vendors(), order_ref, wait_s=0.0),
        settings=QUICK,
        rng=random.Random(seed),
    )
    threading.Thread(target=runner.run, daemon=True).start()
    handler, rested = StoreOutcomes(OUTCOMES, fault_points), threading.Event()
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
