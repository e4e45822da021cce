"""The contexts as processes: from Kafka to rows and mails, clean ends, clear refusals."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

import psycopg
import pytest

from outbox import Event
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.support.context_process import PLAN, context_environ
from tests.support.mail_server import MailServer, mail_server
from tests.support.orders import cancelled, of_order, of_type, placed
from tests.support.waiting import wait_until


@pytest.fixture
def vendor() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def environ(database: str, bootstrap: str, topic_prefix: str, vendor: MailServer) -> dict[str, str]:
    with closing(PythonAdmin(bootstrap)) as admin:
        topics = ("fraud", "inventory", "payment", "order")
        admin.ensure_topics({f"{topic_prefix}{topic}": 2 for topic in topics})
    return context_environ(database, bootstrap, topic_prefix, VENDORS_URL=vendor.url)


def started(stack: Stack, environ: dict[str, str], name: str) -> Running:
    argv = (sys.executable, "-m", "strangler", "run", name, "--lanes", "3")
    return stack.spawn(f"{name}-{environ['OUTBOX_GROUP_PREFIX']}", argv, env=environ, ready=Running.said_ready)


def told(event: Event) -> list[Event]:
    received = of_order("OrderReceived", event.aggregate_id)
    return [replace(received, context=event.context), event] if event.aggregate_version == 2 else [event]


def published(environ: dict[str, str], *events: Event) -> None:
    """Each order's placing behind its receipt."""
    producer = PythonProducer(environ["KAFKA_BOOTSTRAP"])
    for event in chain.from_iterable(map(told, events)):
        topic, key = environ["OUTBOX_TOPIC_PREFIX"] + event.aggregate_type, event.aggregate_id.encode()
        producer.send(topic, key, event.payload, to_headers(event, None))
    producer.flush(10)
    producer.close(10)


def test_a_mail_goes_from_kafka_to_the_vendor_once(
    stack: Stack, database: str, environ: dict[str, str], vendor: MailServer
) -> None:
    process = started(stack, environ, "notification")
    events = [placed(f"o{number}", "notification=new") for number in range(5)]
    published(environ, *events, *events, placed("shadowed", "notification=shadow"), placed("legacy"))
    done = "SELECT count(*) FROM notification.effect WHERE state = 'done'"
    wait_until(lambda: rows(database, done) == [(5,)])
    wait_until(lambda: rows(database, "SELECT subject_ref FROM notification.intent") == [("shadowed",)])
    assert process.terminate(60) == 0
    assert vendor.asked == {f"o{number}:notification:200": 1 for number in range(5)}
    told = rows(database, "SELECT aggregatetype, type, count(*) FROM outbox.readable GROUP BY 1, 2")
    assert told == [("notification", "EffectDone", 5)]


def test_an_unknown_event_is_quarantined_with_the_later_ones_of_its_order(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    process = started(stack, environ, "search")
    odd = of_type(placed("odd", "search=new"), "OrderShipped")
    published(environ, odd, cancelled("odd", "search=new"), placed("fine", "search=new"))
    parked = "SELECT count(*) FROM search.quarantine WHERE key = 'odd'"
    wait_until(lambda: rows(database, parked) == [(2,)])
    wait_until(lambda: rows(database, "SELECT order_ref FROM search.document") == [("fine",)])
    assert process.terminate(60) == 0
    assert rows(database, "SELECT subject_ref FROM search.claim") == [("fine",)]


def test_the_order_context_follows_all_topics_without_a_vendor(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    process = started(stack, {name: value for name, value in environ.items() if name != "VENDORS_URL"}, "order")
    path = ("OrderReceived", "FraudCleared", "StockReserved", "PaymentTaken")
    published(environ, *[of_order(type_, "a") for type_ in path], placed("a"), of_order("FraudCleared", "b"))
    stands = "SELECT order_ref, state, waits_for FROM ordering.progress ORDER BY 1"
    expected = [("a", "placed", []), ("b", "cleared", ["inventory"])]
    wait_until(lambda: rows(database, stands) == expected)
    assert process.terminate(60) == 0


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("search", {}, "not set: STRANGLER_DSN, KAFKA_BOOTSTRAP;"),
        (
            "payment",
            {"STRANGLER_DSN": "postgresql://x", "KAFKA_BOOTSTRAP": "y:1"},
            "not set: VENDORS_URL, which payment calls",
        ),
    ],
)
def test_missing_addresses_are_named_and_end_the_start(name: str, given: dict[str, str], reason: str) -> None:
    argv = [sys.executable, "-m", "strangler", "run", name]
    needed = {"STRANGLER_DSN", "KAFKA_BOOTSTRAP", "VENDORS_URL"}
    bare = {name: value for name, value in os.environ.items() if name not in needed}
    done = subprocess.run(
        argv, env=bare | {"STRANGLER_PLAN": str(PLAN)} | given, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 2
    assert reason in done.stderr


@pytest.mark.no_kafka
def test_a_schema_that_is_behind_ends_the_start_and_comes_up_to_date_when_asked_for(
    database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("DROP SCHEMA search CASCADE")
    environ = context_environ(database, "127.0.0.1:1", "x.") | {"PATH": os.environ["PATH"]}
    argv = [sys.executable, "-m", "strangler", "run", "search"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1
    assert "schema 'search' is behind: consumer" in done.stderr
    assert "run `strangler migrate` first" in done.stderr

    made = "SELECT count(*) FROM pg_tables WHERE schemaname = 'search' AND tablename = 'claim'"
    log = tmp_path / "run.log"
    with log.open("w") as said, subprocess.Popen([*argv, "--migrate"], env=environ, stderr=said) as waiting:
        try:
            wait_until(lambda: rows(database, made) == [(1,)], waiting.poll, within_s=60)
            wait_until(lambda: "broker_unreachable" in log.read_text(), waiting.poll, within_s=60)  # it waits for Kafka
            assert rows(database, "SELECT count(*) FROM search.claim") == [(0,)]
        finally:
            waiting.terminate()
        assert waiting.wait(30) == 0
