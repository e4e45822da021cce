"""Events once more: a lost document comes back, nothing is done twice, a projection is made anew beside live work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from subprocess import PIPE

import psycopg
import pytest

from outbox import Event, uuid7
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.support.context_process import context_environ
from tests.support.orders import cancelled as any_cancelled
from tests.support.orders import of_order
from tests.support.orders import placed as any_placed
from tests.support.waiting import wait_until

# Nothing was told of these orders before they were placed.
placed, cancelled = partial(any_placed, version=1), partial(any_cancelled, version=2)
DOCUMENTS = "SELECT order_ref, version, body FROM search.document ORDER BY order_ref"
WAITING = "SELECT count(*) > 0 FROM pg_locks WHERE relation = '{}'::regclass AND NOT granted"
PASSED = """
SELECT sum(lowest)::integer FROM (
    SELECT min(next_offset) AS lowest FROM inventory.position WHERE topic LIKE '%order' GROUP BY partition) AS each"""
OWNER = "search=new"


@pytest.fixture
def environ(database: str, bootstrap: str, topic_prefix: str) -> dict[str, str]:
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({f"{topic_prefix}order": 2})
    return context_environ(database, bootstrap, topic_prefix, VENDORS_URL="http://127.0.0.1:9")


@contextmanager
def running(stack: Stack, environ: dict[str, str], name: str) -> Iterator[Running]:
    argv = (sys.executable, "-m", "strangler", "run", name, "--lanes", "3")
    process = stack.spawn(f"{name}-{environ['OUTBOX_GROUP_PREFIX']}", argv, env=environ, ready=Running.said_ready)
    try:
        yield process
    finally:
        process.terminate()


def publish(environ: dict[str, str], *events: Event) -> None:
    producer = PythonProducer(environ["KAFKA_BOOTSTRAP"])
    for event in events:
        topic = environ["OUTBOX_TOPIC_PREFIX"] + event.aggregate_type
        producer.send(topic, event.aggregate_id.encode(), event.payload, to_headers(event, None))
    producer.flush(10)
    producer.close(10)


def trickle(environ: dict[str, str], events: Sequence[Event]) -> None:
    for event in events:
        publish(environ, event)


def again(environ: dict[str, str], *argv: str, exit_code: int = 0) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "strangler", *argv, "--json"],
        env={**environ, "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    return dict(json.loads(done.stdout))


def until_indexed(database: str, count: int) -> None:
    wait_until(lambda: len(rows(database, DOCUMENTS)) == count, lambda: rows(database, DOCUMENTS))


def test_a_replay_brings_back_what_was_lost_and_does_nothing_twice(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    with running(stack, environ, "search"):
        publish(environ, *(placed(f"o{number}", OWNER) for number in range(6)))
        until_indexed(database, 6)
    before = rows(database, DOCUMENTS)
    with psycopg.connect(database) as connection:
        connection.execute("DELETE FROM search.document WHERE order_ref IN ('o1', 'o2')")
        connection.execute("DELETE FROM search.claim WHERE subject_ref IN ('o1', 'o2')")

    tried = again(environ, "replay", "search", "--from-start", "--dry-run")
    assert (tried["dispositions"], len(rows(database, DOCUMENTS))) == ({"applied": 2, "duplicate": 4}, 4)
    one = again(environ, "replay", "search", "--from-time", "2011-06-01T00:00:00+00:00", "--key", "o1")
    assert (one["dispositions"], len(rows(database, DOCUMENTS))) == ({"applied": 1}, 5)
    places = ("--from-offset", "order:0:0", "--from-offset", "order:1:0")
    assert again(environ, "replay", "search", *places)["dispositions"] == {"applied": 1, "duplicate": 5}
    assert rows(database, DOCUMENTS) == before


@pytest.mark.timeout(240)
def test_a_projection_is_made_anew_while_its_events_go_on_coming(
    stack: Stack, database: str, environ: dict[str, str]
) -> None:
    first = [placed(f"o{number:03}", OWNER) for number in range(150)]
    later = [placed(f"p{number:03}", OWNER) for number in range(150)]
    with running(stack, environ, "search"):
        publish(environ, *first, placed("shadowed", "search=shadow"))
        until_indexed(database, 150)
        right = rows(database, DOCUMENTS)
        with psycopg.connect(database) as connection:
            connection.execute("UPDATE search.document SET body = '{}' WHERE order_ref < 'o050'")
            connection.execute("DELETE FROM search.document WHERE order_ref > 'o140'")
        coming = threading.Thread(target=trickle, args=(environ, later[:30]))
        coming.start()

        done = again(environ, "rebuild", "search")

        coming.join()
        publish(environ, *later[30:], *(cancelled(f"o{number:03}", OWNER) for number in range(20)))
        until_indexed(database, 300)
        wait_until(lambda: rows(database, "SELECT count(*) FROM search.document WHERE version = 2") == [(20,)])
    assert done["refused"] == []
    kept = {row[0]: row for row in rows(database, DOCUMENTS)}
    assert [kept[row[0]] for row in right[20:]] == right[20:]
    assert rows(database, "SELECT count(*) FROM pg_namespace WHERE nspname = 'search_next'") == [(0,)]


def test_a_replay_gives_way_while_live_events_wait(stack: Stack, database: str, environ: dict[str, str]) -> None:
    argv = [sys.executable, "-m", "strangler", "replay", "search", "--from-start", "--json"]
    with running(stack, environ, "search"):
        publish(environ, *(placed(f"o{number}", OWNER) for number in range(6)))
        until_indexed(database, 6)
        with psycopg.connect(database) as connection:
            connection.execute("LOCK TABLE search.document")  # the handler waits for it
            publish(environ, *late("OrderPlaced", OWNER))
            wait_until(lambda: rows(database, WAITING.format("search.document")) == [(True,)])
            with giving_way(argv, environ, r"gives way: a live event has waited 6\d\d s") as replaying:
                assert replaying.poll() is None
                connection.rollback()
                said, _ = replaying.communicate(timeout=60)
    assert replaying.returncode == 0
    assert json.loads(said)["dispositions"]["duplicate"] >= 6


@contextmanager
def giving_way(argv: list[str], environ: dict[str, str], words: str) -> Iterator[subprocess.Popen[str]]:
    """A replay that says so. One that has ended before all that waits could be seen is made again."""
    for _ in range(10):
        with subprocess.Popen(argv, env=environ, stdout=PIPE, stderr=PIPE, text=True) as replaying:
            assert replaying.stderr is not None
            if re.search(words, replaying.stderr.readline()):
                yield replaying
                return
            assert replaying.wait(60) == 0
    raise AssertionError(f"no replay said: {words}")


def late(type_: str, owner: str) -> list[Event]:
    """Appended ten minutes ago, in every lane: one that stands alone holds nobody up."""
    appended_ms = time.time_ns() // 1_000_000 - 600_000
    events = [of_order(type_, f"late-{number}", owner) for number in range(24)]
    return [replace(event, aggregate_version=1, id=uuid7(appended_ms)) for event in events]


def test_a_replay_gives_way_to_whom_it_feeds(stack: Stack, database: str, environ: dict[str, str]) -> None:
    with closing(PythonAdmin(environ["KAFKA_BOOTSTRAP"])) as admin:
        admin.ensure_topics({environ["OUTBOX_TOPIC_PREFIX"] + topic: 1 for topic in ("fraud", "inventory", "payment")})
    with running(stack, environ, "inventory"):
        publish(environ, *(placed(f"o{number}") for number in range(6)))
        wait_until(lambda: rows(database, PASSED) == [(6,)], lambda: rows(database, PASSED))
    argv = [sys.executable, "-m", "strangler", "replay", "inventory", "--from-start", "--json"]
    with running(stack, environ, "payment"), psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE payment.claim")  # the handler waits for it
        publish(environ, *late("StockReserved", "payment=new"))
        wait_until(lambda: rows(database, WAITING.format("payment.claim")) == [(True,)])
        with giving_way(argv, environ, r"gives way to payment, which it feeds: .* waited 6\d\d s") as replaying:
            assert replaying.poll() is None
            at_once = subprocess.run([*argv, "--at-once"], env=environ, capture_output=True, timeout=60, check=False)
            assert at_once.returncode == 0
            connection.rollback()
            said, _ = replaying.communicate(timeout=60)
    assert (replaying.returncode, json.loads(said)["events"]) == (0, 6)


def test_a_rebuild_that_is_only_tried_changes_nothing(stack: Stack, database: str, environ: dict[str, str]) -> None:
    with running(stack, environ, "search"):
        publish(environ, *(placed(f"o{number}", OWNER) for number in range(3)))
        until_indexed(database, 3)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE search.document SET body = '{}'")

    assert again(environ, "rebuild", "search", "--dry-run")["dispositions"] == {"applied": 3}
    assert {row[2] == {} for row in rows(database, DOCUMENTS)} == {True}


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--from-offset", "order:0"), "write TOPIC:PARTITION:OFFSET"),
        (("--from-offset", "basket:0:1"), "never read basket:0"),
        (("--from-time", "yesterday"), "is no time"),
        (("--from-time", "2026-11-20T09:00:00"), "no time zone"),
    ],
)
def test_a_place_that_is_none_is_refused(environ: dict[str, str], argv: tuple[str, ...], words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "strangler", "replay", "search", *argv],
        env={**environ, "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
