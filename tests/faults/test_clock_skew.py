"""A context whose machine has a wrong clock decides as the others do: what is late is said by its database."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
import requests

from outbox.event import uuid7
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.integration.test_interlock import ran, verdict
from tests.support.context_process import context_environ
from tests.support.orders import placed
from tests.support.services import SERVICES
from tests.support.waiting import wait_until

OWNED = "recommendation=new"
POLICY = SERVICES["recommendation"].policy
AWAY_S = 3 * POLICY.deadline_s
BASKETS = "SELECT order_ref FROM recommendation.basket ORDER BY 1"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("shift_s", [AWAY_S, -AWAY_S], ids=["ahead", "behind"])
def test_a_wrong_clock_neither_drops_what_is_in_time_nor_keeps_what_is_late(
    stack: Stack, database: str, bootstrap: str, topic_prefix: str, shift_s: float
) -> None:
    """The interlock is open: by the clock of its process the member would drop all of them, or none."""
    with psycopg.connect(database, autocommit=True) as connection:
        ran(connection, "recommendation")
        verdict(connection, "compared", "match")
        connection.execute("UPDATE strangler.verdict SET step = 'recommendation'")
        (now_s,) = connection.execute("SELECT extract(epoch FROM now())::float8").fetchone() or (0.0,)
    topic = f"{topic_prefix}order"
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({topic: 2})
    in_time = [placed(f"{topic_prefix}-{number}", OWNED) for number in range(4)]
    made_ms = round((now_s - POLICY.deadline_s - 60) * 1000)
    late = [replace(placed(f"{topic_prefix}-late-{number}", OWNED), id=uuid7(made_ms)) for number in range(3)]
    producer = PythonProducer(bootstrap)
    for event in (*late, *in_time):
        producer.send(topic, event.aggregate_id.encode(), event.payload, to_headers(event, None))
    producer.flush(10.0)
    producer.close(5.0)
    address = f"127.0.0.1:{stack.take_port()}"
    environ = context_environ(database, bootstrap, topic_prefix, OUTBOX_METRICS_ADDRESS=address)
    module = ("-m", "tests.faults.shifted_clock", str(shift_s), "strangler", "run", "recommendation")
    process = stack.spawn(f"skewed-{topic_prefix}", (sys.executable, *module), env=environ, ready=Running.said_ready)
    expected = [(event.aggregate_id,) for event in sorted(in_time, key=lambda each: each.aggregate_id)]
    wait_until(lambda: rows(database, BASKETS) == expected)
    dropped = f'consumer_expired_total{{context="recommendation",clause="{POLICY.clause("expired")}"}} {len(late)}'
    wait_until(lambda: dropped in metrics(address), lambda: metrics(address))
    assert process.terminate(60) == 0


def metrics(address: str) -> str:
    return requests.get(f"http://{address}/metrics", timeout=30).text


def test_the_clock_of_the_process_is_really_wrong() -> None:
    argv = [sys.executable, "-m", "tests.faults.shifted_clock", str(AWAY_S), "tests.faults.shifted_clock_probe"]
    said = subprocess.run(argv, capture_output=True, check=True, text=True, timeout=30).stdout
    assert float(said) > time.time() + AWAY_S - 60
