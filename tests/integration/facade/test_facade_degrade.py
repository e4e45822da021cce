"""While its slots are full the facade tells the application what it may leave out, of the classes that say so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.client import ask, order
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import Shop
from tests.integration.facade.test_facade_metrics import scraped
from tests.support.http_stub import HttpStub, Reply, Seen, answer
from tests.support.waiting import wait_until

PLAN = Path(__file__).parents[2] / "support" / "facade_degrade_plan.py"
FIELD = "strangler-degrade"
FORGED = {"Strangler-Degrade": "payment", "strangler_degrade": "payment"}


@pytest.fixture(scope="module")
def metrics(stack: Stack) -> str:
    return f"127.0.0.1:{stack.take_port()}"


@pytest.fixture(scope="module")
def bending(launch: StartFacade, metrics: str) -> Running:
    return launch("--admission", "100%", plan=PLAN, metrics=metrics)


def told(seen: Seen) -> list[str]:
    return [value for name, value in seen.fields if name.lower().replace("_", "-") == FIELD]


def test_the_application_is_told_while_the_slots_are_full_and_not_before_or_after(
    bending: Running, app: HttpStub, clients: ThreadPoolExecutor, key: str, metrics: str
) -> None:
    shop = Shop(app)

    def reply(seen: Seen) -> Reply:
        assert "held" not in seen.target or app.held.wait(30)
        return shop.reply(seen) if seen.method == "POST" else answer(200, b"ok")

    app.reply = reply
    assert ask(bending, "GET", f"/calm/{key}", fields=FORGED).status == 200
    assert told(app.seen[0]) == [], "a client's own goes no further"
    held = clients.submit(ask, bending, "GET", f"/held/{key}")
    wait_until(lambda: len(app.seen) == 2)
    assert told(app.seen[1]) == [], "one slot is still free"
    assert ask(bending, "GET", f"/full/{key}", fields=FORGED).status == 200
    assert told(app.seen[2]) == ["recommendations, reviews"]
    assert order(bending, key).status == 201
    assert told(app.seen[3]) == ["recommendations"], "by its own class"
    assert ask(bending, "GET", f"/feeds/{key}").status == 200
    assert told(app.seen[4]) == [], "whose class says nothing"
    app.release()
    assert held.result().status == 200

    def calm() -> bool:
        ask(bending, "GET", f"/calm/{key}")
        return told(app.seen[-1]) == []

    wait_until(calm)
    counted = scraped(metrics)
    assert counted["facade_degraded_total", ("checkout",)] == 1
    assert counted["facade_degraded_total", ("browse",)] >= 1
    assert ("facade_degraded_total", ("feeds",)) not in counted
