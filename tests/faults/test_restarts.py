"""The database and the broker restart under contexts at work: they wait, go on, and charge nobody twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing

import pytest
import requests

from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.support.context_process import context_environ
from tests.support.orders import of_order
from tests.support.vendors_server import Vendors
from tests.support.waiting import wait_until

ENDED = "SELECT count(*) FROM payment.effect WHERE state = 'done'"
WITHIN_S = 90.0
UNREACHABLE = 'consumer_unreachable_total{context="order",what="broker"}'


def restart_broker(stack: Stack, counted: Callable[[str], bool]) -> None:
    """In order: killed, the embedded Kafka would forget what it acknowledged. Kills are the long run's."""
    assert stack.kafka is not None, "the stack's Kafka was given by address: this test restarts it"
    stack.kafka.terminate(20)
    try:
        wait_until(lambda: counted(UNREACHABLE), within_s=WITHIN_S)
    finally:
        stack.kafka.start()


def restart_database(stack: Stack, _counted: Callable[[str], bool]) -> None:
    """In order: the tests' server gives up durability for speed."""
    assert stack.postgres is not None, "the stack's PostgreSQL was given by address: this test restarts it"
    stack.postgres.running.terminate(20)
    stack.postgres.start()


def send(bootstrap: str, topic_prefix: str, sent: list[str]) -> None:
    """As the relay does, from a producer that lives no longer than its broker."""
    producer = PythonProducer(bootstrap)
    for _ in range(30):
        ref = f"{topic_prefix}{len(sent)}"
        for type_ in ("FraudCleared", "StockReserved"):
            event = of_order(type_, ref, "payment=new", by="new")
            producer.send(topic_prefix + event.aggregate_type, ref.encode(), event.payload, to_headers(event, None))
        sent.append(ref)
    producer.flush(20.0)
    producer.close(5.0)


@pytest.mark.tour
@pytest.mark.timeout(300)
@pytest.mark.parametrize("restart", [restart_database, restart_broker])
def test_a_restart_in_mid_consumption_charges_each_order_once_and_ends_no_context(
    stack: Stack,
    database: str,
    topic_prefix: str,
    vendors: Vendors,
    restart: Callable[[Stack, Callable[[str], bool]], None],
) -> None:
    bootstrap = stack.bootstrap
    topics = [f"{topic_prefix}{topic}" for topic in ("fraud", "inventory", "payment", "order")]
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics(dict.fromkeys(topics, 2))
    address = f"127.0.0.1:{stack.take_port()}"
    environ = context_environ(database, bootstrap, topic_prefix, VENDORS_URL=vendors.url)
    contexts = [
        stack.spawn(
            f"{name}-{topic_prefix}",
            (sys.executable, "-m", "strangler", "run", name, "--lanes", "3"),
            env=environ | more,
            ready=Running.said_ready,
        )
        for name, more in (("payment", {}), ("order", {"OUTBOX_METRICS_ADDRESS": address}))
    ]
    sent: list[str] = []
    send(bootstrap, topic_prefix, sent)
    wait_until(lambda: rows(database, ENDED)[0][0] > 0, within_s=WITHIN_S)
    restart(stack, lambda line: line in requests.get(f"http://{address}/metrics", timeout=10).text)
    send(bootstrap, topic_prefix, sent)
    wait_until(lambda: rows(database, ENDED) == [(len(sent),)], lambda: rows(database, ENDED), within_s=WITHIN_S)
    seen = "SELECT count(*) FROM ordering.progress WHERE seen @> '{FraudCleared,StockReserved}'"
    wait_until(lambda: rows(database, seen) == [(len(sent),)], lambda: rows(database, seen), within_s=WITHIN_S)
    assert [context.alive() for context in contexts] == [True, True]
    assert [vendors.asked("payments", ref).keys() for ref in sent] == [{f"{ref}:payment:100"} for ref in sent]
    assert rows(database, "SELECT count(*) FROM payment.quarantine") == [(0,)]
    assert [context.terminate() for context in contexts] == [0, 0]
