"""Whoever runs a chain is killed at a named point: another goes on with it, each step once, the rest once."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from strangler.continuation.table import StepOutcome, store
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.support.three_steps import Shop
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
WAIT_S = "1.5"  # a runner leaves a subject to its request for so long, also when that is dead
POINTS = [
    ("place", "continuation.pending_committed"),
    ("place", "continuation.woken"),
    ("place", "continuation.claimed"),
    ("place", "continuation.rest_run"),
    ("place", "continuation.committed"),
    ("resume", "continuation.claimed"),
    ("resume", "continuation.rest_run"),
    ("resume", "continuation.committed"),
]
WAITING = "SELECT FROM strangler.continuation WHERE subject_ref = 'a' AND state = 'waiting'"
Spawn = Callable[..., Running]


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    opened = Shop(database)
    yield opened
    opened.close()


@pytest.fixture
def spawn(stack: Stack, database: str) -> Iterator[Spawn]:
    started: list[Running] = []

    def spawned(*argv: str, stop_at: str = "") -> Running:
        command = (sys.executable, "-m", "tests.support.three_steps", database, *argv)
        ready = Running.said_ready if argv == ("resume",) else None
        name = f"{argv[0]}-{secrets.token_hex(4)}"
        started.append(stack.spawn(name, command, env={"OUTBOX_STOP_AT": stop_at}, ready=ready))
        return started[-1]

    yield spawned
    for one in started:
        one.kill()


def tell(shop: Shop) -> None:
    wait_until(lambda: shop.rows(WAITING) != [])
    with psycopg.connect(shop.dsn) as connection:
        store(connection, [StepOutcome("a", "fraud", False, {"id": "new fraud"})])


@pytest.mark.parametrize(("victim", "point"), POINTS)
def test_another_goes_on(shop: Shop, spawn: Spawn, victim: str, point: str) -> None:
    """The new side has the first step; legacy's two, and the mail, are the rest."""
    if victim == "place":
        killed = spawn("place", "a", "fraud", WAIT_S, stop_at=point)
    else:
        assert shop.place("a", "fraud") == (202, "new")
        killed = spawn("resume", stop_at=point)
    tell(shop)
    wait_until(lambda: f"stopped_at {point}".encode() in killed.said(), killed.said)
    killed.kill()

    spawn("resume")
    wait_until(lambda: shop.seen("a")[0] == "made", lambda: shop.seen("a"))
    assert shop.seen("a")[1] == " fraud=new fraud, stock=legacy stock, payment=legacy payment,"
    assert shop.keys("a") == ["a:payment:100", "a:stock:100"]
    assert [type_ for type_, _ in shop.told("a")] == ["stock-done", "payment-done"]
    assert shop.records("a") == [*((step, 1, "done") for step in ("mail", "payment", "stock")), ("text", 1, "none")]
    assert not shop.go_on("a")
