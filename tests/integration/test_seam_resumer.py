"""The runner behind an application's chain: subjects that cannot be taken keep no other from its turn."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from strangler.continuation.runner import Runner, RunnerSettings
from strangler.continuation.table import StepOutcome, store
from tests.support.logs import lines_of
from tests.support.three_steps import Shop
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
SETTINGS = RunnerSettings(threads=1, poll_s=0.01, backoff_base_s=0.01, backoff_cap_s=0.1)
FIRST = [f"gone-{number}" for number in range(4 * SETTINGS.threads)]  # as many as a round takes


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    opened = Shop(database)
    yield opened
    opened.close()


@contextmanager
def running(shop: Shop) -> Iterator[None]:
    runner = Runner(
        connect=lambda: psycopg.connect(shop.dsn, autocommit=True),
        rest=shop.go_on,
        settings=SETTINGS,
        rng=random.Random(1),
    )
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield
    finally:
        runner.stop()
        thread.join(20)


def ready(shop: Shop, *refs: str) -> None:
    with psycopg.connect(shop.dsn) as connection:
        store(connection, [StepOutcome(ref, "payment", False, {"id": "new"}) for ref in refs])


def test_subjects_that_are_gone_do_not_stop_the_others(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    for ref in FIRST:
        shop.place(ref, "payment")
        ready(shop, ref)
    with psycopg.connect(shop.dsn) as connection:
        connection.execute("DELETE FROM basket")
    shop.place("a", "payment")
    ready(shop, "a")

    attempts = "SELECT min(attempts) FROM strangler.continuation WHERE state = 'ready'"
    with running(shop):
        wait_until(lambda: shop.seen("a")[0] == "made")
        wait_until(lambda: shop.rows(attempts)[0][0] > 7)
    said = [one for one in lines_of(caplog, "strangler") if one.message.startswith("rest_not_taken")]
    assert sorted(one.subject_ref for one in said) == FIRST  # type: ignore[attr-defined]  # each once
    assert "delete it from strangler.continuation" in said[0].message


def test_a_subject_that_is_locked_for_a_while_is_gone_on_with_afterwards(shop: Shop) -> None:
    shop.place("a", "payment")
    ready(shop, "a")
    with psycopg.connect(shop.dsn) as editor, running(shop):
        editor.execute("SELECT FROM basket FOR UPDATE")
        wait_until(lambda: shop.rows("SELECT attempts > 1 FROM strangler.continuation") == [(True,)])
        editor.rollback()
        wait_until(lambda: shop.seen("a")[0] == "made")
    assert shop.rows("SELECT state FROM strangler.continuation") == [("done",)]
