"""`outbox.Consumer` as a program starts it, without a plan: what it refuses, and late work that is compensated."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from outbox import Consumer, Event, Policy, PsycopgConnection, ReceivedEvent, uuid7
from outbox.catalogue import CATALOGUE, MEMBER
from outbox.cli import main
from outbox.consumer import Disposition, Handler, InParallel, Metric
from outbox.errors import ConfigurationError
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from outbox.metrics import Counters
from outbox.policy import Expired
from outbox.testing import as_record
from strangler.local.ports import Ports
from tests.support.exposition import series_of
from tests.support.forwarding import forwarding
from tests.support.waiting import wait_until

ELSEWHERE = "1/elsewhere"
COMPENSATING = Policy.lossless(
    3_600, "the position", expired=Expired.COMPENSATE, compensation="TakenBack", ordering_scope="order"
)
OPEN = Path("/proc/self/fd")
TOLD = ("--actor", "ann", "--reason", "a test")
PARKED = """
INSERT INTO "order-Totals".quarantine (group_name, topic, incarnation, partition, "offset", reason)
VALUES ('order-Totals', 'any.order', '', 0, 7, 'bad')"""
Build = Callable[..., Consumer]


def noting(kind: str) -> Handler:
    def note(connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> None:
        rows = [(kind, one.event.aggregate_id) for one in received]
        connection.cursor().executemany("INSERT INTO alone.noted VALUES (%s, %s)", rows)

    return note


@pytest.fixture
def build(database: str, bootstrap: str, topic_prefix: str) -> Build:
    """A consumer of the test's own topic, which handles events of another source too."""
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({f"{topic_prefix}order": 1})

    def built(**said: object) -> Consumer:
        given = {"topics": ["order"], "group": "alone", "handler": noting("handled"), "prefix": topic_prefix}
        return Consumer(dsn=database, **{"bootstrap": bootstrap, **given, **said})  # type: ignore[arg-type]  # a test's own

    return built


@contextmanager
def running(consumer: Consumer) -> Iterator[None]:
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(consumer.run)
        try:
            yield
        finally:
            consumer.stop()
        ended.result()


@pytest.mark.timeout(30)
def test_a_consumer_without_its_tables_ends_with_what_makes_them(build: Build) -> None:
    with pytest.raises(ConfigurationError, match=r"schema 'alone' has no tables .*call migrate\(\)"):
        build().run()


@pytest.mark.timeout(60)
def test_a_consumer_that_starts_before_its_kafka_waits_and_says_so(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    port, counts = Ports().take(), Counter[str]()
    consumer = Consumer(
        topics=["order"],
        group="alone",
        handler=noting("handled"),
        dsn=database,
        bootstrap=f"127.0.0.1:{port}",
        prefix=topic_prefix,
        sources=[ELSEWHERE],
        observe=lambda name, value, **_: counts.update({name: value}),
    )
    consumer.migrate()
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE alone.noted (kind text, key text)")
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({f"{topic_prefix}order": 1})
    producer = PythonProducer(bootstrap)
    producer.send(f"{topic_prefix}order", *as_record(Event("order", "o-1", 1, "OrderPlaced", b"{}"), ELSEWHERE, 1))
    producer.flush(10)
    producer.close(10)
    with running(consumer):
        wait_until(lambda: counts[Metric.UNREACHABLE] >= 2, lambda: counts)
        assert counts[Metric.ASSIGNED] == 0
        with forwarding(port, bootstrap):
            wait_until(lambda: counts[Metric.DISPOSITION] > 0, lambda: counts)
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT kind, key FROM alone.noted").fetchall() == [("handled", "o-1")]


def test_its_verbs_need_no_plan_and_take_any_schema(
    build: Build, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    build(group="order-Totals").migrate()
    with psycopg.connect(database) as connection:
        connection.execute(PARKED)
        connection.execute(PARKED.replace("('order-Totals'", "('another'"))
    place = "order-Totals:any.order/0@7"
    assert main(["quarantine", "discard", place, *TOLD, "--dsn", database]) == 2
    assert "groups another, order-Totals; name one with --group" in capsys.readouterr().err
    for verb in (
        ["quarantine", "list", "--schema", "order-Totals"],
        ["quarantine", "discard", place, "--group", "another", *TOLD],
    ):
        assert main([*verb, "--dsn", database]) == 0
        assert place in capsys.readouterr().out
    assert main(["positions", "show", "--schema", "order-Totals"], {"STRANGLER_DSN": database}) == 0
    assert "no consumer has stored a position yet" in capsys.readouterr().out
    assert main(["positions", "show"], {}) == 2
    assert "STRANGLER_DSN is not set" in capsys.readouterr().err


@pytest.mark.timeout(60)
def test_a_consumer_that_waits_for_its_kafka_can_be_stopped(build: Build) -> None:
    counts = Counter[str]()
    nowhere = build(bootstrap="127.0.0.1:1", observe=lambda name, value, **_: counts.update({name: value}))
    nowhere.migrate()
    with running(nowhere):
        wait_until(lambda: counts[Metric.UNREACHABLE] > 0)
        began = time.monotonic()
    assert time.monotonic() - began < 8


@pytest.mark.timeout(60)
def test_late_events_are_compensated_and_a_source_that_the_program_names_is_ours(
    build: Build, database: str, bootstrap: str, topic_prefix: str
) -> None:
    consumer = build(policy=COMPENSATING, compensate=noting("compensated"), sources=[ELSEWHERE])
    consumer.migrate()
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE alone.noted (kind text, key text)")
    made_ms = round(time.time() * 1000)
    producer = PythonProducer(bootstrap)
    for number, (key, age_ms) in enumerate({"late": 7_200_000, "fresh": 0}.items(), start=1):
        event = Event("order", key, 1, "OrderPlaced", b"{}", id=uuid7(made_ms - age_ms))
        producer.send(f"{topic_prefix}order", *as_record(event, ELSEWHERE, number))
    producer.flush(10)
    producer.close(10)

    def noted() -> set[tuple[str, str]]:
        with psycopg.connect(database) as connection:
            return set(connection.execute("SELECT kind, key FROM alone.noted").fetchall())

    with running(consumer):
        wait_until(lambda: len(noted()) == 2, noted)
    assert noted() == {("compensated", "late"), ("handled", "fresh")}


def test_compensation_without_a_handler_is_refused_and_a_handler_without_it(build: Build) -> None:
    with pytest.raises(ConfigurationError, match="give compensate="):
        build(policy=COMPENSATING)
    with pytest.raises(ConfigurationError, match="leave it out"):
        build(compensate=noting("compensated"))


def test_a_consumer_that_cannot_be_made_leaves_no_client_open(build: Build) -> None:
    work = InParallel(lambda _: Disposition.APPLIED)
    consumer = build(handler=work, policy=COMPENSATING, compensate=noting("compensated"))
    consumer.migrate()
    before = len(list(OPEN.iterdir()))
    with pytest.raises(ConfigurationError, match="expiry, versions and samples are judged in the transaction"):
        consumer.run()
    assert len(list(OPEN.iterdir())) == before


@pytest.mark.timeout(60)
def test_its_page_measures_the_group_and_this_member_by_the_catalogue(
    build: Build, database: str, bootstrap: str, topic_prefix: str
) -> None:
    counters = Counters({"context": "alone"}, CATALOGUE)
    consumer = build(observe=counters, sources=[ELSEWHERE])
    consumer.migrate()
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE alone.noted (kind text, key text)")
    producer = PythonProducer(bootstrap)
    event = Event(
        "order", "o-1", 1, "OrderPlaced", b"{}", {"tenant": "shop"}, id=uuid7(round(time.time() * 1000) - 9_000)
    )
    producer.send(f"{topic_prefix}order", *as_record(event, ELSEWHERE, 1))
    producer.flush(10)
    producer.close(10)
    topic = f'topic="{topic_prefix}order"'
    ended = [
        f'consumer_lag_records{{context="alone",group="alone",{topic},partition="0"}} 0',
        f'consumer_lag_seconds{{context="alone",group="alone",{topic},partition="0",state="waiting"}} 0',
        'consumer_members{context="alone",group="alone"} 1',
        f'consumer_completion_seconds_bucket{{context="alone",{topic},le="5.0"}} 0',
        f'consumer_completion_seconds_bucket{{context="alone",{topic},le="60.0"}} 1',
        f'consumer_queue_records{{context="alone",group="alone",{topic}}} 0',
        'consumer_workers{context="alone",group="alone"} 4',
    ]
    with running(consumer):
        wait_until(lambda: set(ended) <= set(counters.page().splitlines()), counters.page)
        page = counters.page()
    series_of(page)
    assert 'group=""' not in page
    assert "consumer_workers" not in counters.page(), "the member has ended"
    shown = {line.split(" ")[2]: line.split(" ")[3] for line in page.splitlines() if line.startswith("# TYPE")}
    known = {one.shown: one.kind for one in CATALOGUE}
    assert shown.items() <= known.items()
    assert shown.keys() >= {one.shown for one in MEMBER}
