"""A class that has promised how far a consumer may be behind is held back by its lag, for as long as that is read."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition
from outbox.event import ReceivedEvent
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.consumer_rig import Rig, write_effects
from tests.integration.facade.client import Answer, ask
from tests.integration.facade.test_facade_metrics import scraped
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.http_stub import HttpStub, answer
from tests.support.waiting import wait_until

PLAN = Path(__file__).parents[2] / "support" / "facade_lag_plan.py"
UNREAD, SLOTS = ("facade_lag_unread", ("search",)), ("facade_admission_slots", ())
NEVER_SERVED = "postgresql://postgres@127.0.0.1:1/x"


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=1) as rig:
        yield rig


@dataclass
class Lagging:
    """A facade with its page of metrics, and what it was answered."""

    running: Running
    metrics: str

    def ask(self, path: str) -> Answer:
        return ask(self.running, "GET", path)

    def clause(self) -> str:
        said = self.ask("/feeds/all")
        return str(said.json()["clause"]) if said.status == 503 else ""

    @property
    def unread(self) -> float:
        return scraped(self.metrics).get(UNREAD, 0.0)


@pytest.fixture
def facade(
    *, stack: Stack, dsn: str, app: HttpStub, rig: Rig, topic_prefix: str, request: pytest.FixtureRequest
) -> Iterator[Lagging]:
    """Its parameter, where there is one, is where the consumer's database is said to be."""
    port, metrics = stack.take_port(), f"127.0.0.1:{stack.take_port()}"
    running = stack.spawn(
        f"facade-{port}",
        [sys.executable, "-m", "strangler", "facade", "--port", str(port), "--admission", "100%"],
        env={
            "STRANGLER_DSN": dsn,
            "SEARCH_DSN": getattr(request, "param", rig.dsn),
            "KAFKA_BOOTSTRAP": stack.bootstrap,
            "OUTBOX_TOPIC_PREFIX": topic_prefix,
            "OUTBOX_GROUP_PREFIX": topic_prefix,
            "LEGACY_URL": app.url,
            "STRANGLER_PLAN": str(PLAN),
            "OUTBOX_METRICS_ADDRESS": metrics,
        },
        port=port,
        ready_path="/-/healthz",
    )
    yield Lagging(running, metrics)
    running.kill()


def stands(gate: threading.Event, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
    assert gate.wait(30.0)
    return write_effects(connection, events)


def test_lag_is_felt_by_its_class_alone_and_ends_with_it(facade: Lagging, rig: Rig) -> None:
    gate = threading.Event()
    running = rig.runtime(partial(stands, gate))
    wait_until(lambda: bool(rig.sql("SELECT 1 FROM position")))
    assert facade.clause() == ""
    rig.send_many(keys=40, each=2)
    wait_until(lambda: facade.clause() == "admission:feeds.lag", facade.clause)
    assert facade.ask("/orders/7").status != 503, "nobody has promised anything of this class"
    gate.set()
    wait_until(rig.caught_up, rig.positions)
    wait_until(lambda: facade.clause() == "", facade.clause)
    assert facade.unread == 0
    running.stop()


@pytest.mark.parametrize("facade", [NEVER_SERVED], indirect=True)
def test_lag_that_cannot_be_read_is_told_and_refuses_nobody(facade: Lagging) -> None:
    wait_until(lambda: facade.unread == 1, lambda: facade.unread)
    assert facade.clause() == ""
    wait_until(lambda: b"lag_not_read" in facade.running.said(), facade.running.said)


def test_what_was_read_holds_back_no_longer_once_it_cannot_be_read_any_more(facade: Lagging, rig: Rig) -> None:
    gate = threading.Event()
    running = rig.runtime(partial(stands, gate))
    wait_until(lambda: bool(rig.sql("SELECT 1 FROM position")))
    rig.send_many(keys=40, each=2)
    wait_until(lambda: facade.clause() == "admission:feeds.lag", facade.clause)
    rig.sql("ALTER TABLE position RENAME TO position_lost")
    wait_until(lambda: facade.unread == 1, lambda: facade.unread)
    wait_until(lambda: facade.clause() == "", facade.clause)
    assert b"lag_not_read" in facade.running.said()
    rig.sql("ALTER TABLE position_lost RENAME TO position")
    wait_until(lambda: facade.unread == 0, lambda: facade.unread)
    gate.set()
    running.stop()


def test_a_look_that_hangs_is_told_while_it_does_and_ended(facade: Lagging, rig: Rig) -> None:
    running = rig.runtime()
    wait_until(lambda: bool(rig.sql("SELECT 1 FROM position")))
    looks = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    wait_until(lambda: bool(rig.sql(looks, "strangler-facade-lag")))
    pids = [pid for (pid,) in rig.sql(looks, "strangler-facade-lag")]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: b"no answer within" in facade.running.said(), facade.running.said)
        wait_until(lambda: facade.unread == 0, lambda: facade.unread)  # over another connection
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    running.stop()
    assert facade.clause() == "", "nothing waits"


def test_slots_that_are_found_begin_with_the_start_and_are_shown(facade: Lagging, app: HttpStub) -> None:
    app.reply = lambda _: answer(200, b"ok") if app.held.wait(30) else b""
    assert scraped(facade.metrics)[SLOTS] == 3
    with ThreadPoolExecutor(8) as clients:
        asked = [clients.submit(facade.ask, f"/{number}") for number in range(3)]
        wait_until(lambda: len(app.seen) == 3)
        refused = [clients.submit(facade.ask, f"/more/{number}") for number in range(5)]
        wait_until(lambda: sum(one.done() for one in refused) >= 3)
        assert len(app.seen) == 3
        app.release()
        assert [one.result().status for one in asked] == [200, 200, 200]
