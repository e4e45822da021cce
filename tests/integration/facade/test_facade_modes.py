"""While a mode holds that people declared, the facade lets in by other terms; as ever when it is over."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from outbox.told import Told
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.modes.table import declare, end
from tests.integration.facade.client import ask
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.test_facade_metrics import scraped
from tests.support.facade_modes_plan import plan
from tests.support.http_stub import HttpStub
from tests.support.waiting import wait_until

PLAN = Path(__file__).parents[2] / "support" / "facade_modes_plan.py"
(PEAK,) = plan.modes
HOLDS = ("facade_mode", ("peak",))


@pytest.fixture(scope="module")
def metrics(stack: Stack) -> str:
    return f"127.0.0.1:{stack.take_port()}"


@pytest.fixture(scope="module")
def bending(launch: StartFacade, metrics: str) -> Running:
    return launch("--admission", "100%", "--workers", "2", plan=PLAN, metrics=metrics)


def browsed(bending: Running, key: str, times: int) -> list[int]:
    return [ask(bending, "GET", f"/{key}").status for _ in range(times)]


def test_a_declared_mode_acts_in_every_worker_and_ends(
    bending: Running, app: HttpStub, dsn: str, key: str, metrics: str
) -> None:
    assert app.seen == []
    assert browsed(bending, key, 4) == [200] * 4, "usually there is no quota"
    with psycopg.connect(dsn) as connection:
        declare(connection, PEAK, 600, Told("ann", "black friday"))
    wait_until(lambda: scraped(metrics).get(HOLDS) == 2)
    wait_until(lambda: browsed(bending, key, 4) == [429] * 4)  # one in a hundred seconds, of each worker
    refused = ask(bending, "GET", f"/{key}")
    assert refused.json()["clause"] == "admission:browse.quota"
    with psycopg.connect(dsn) as connection:
        end(connection, Told("ann", "it is over"))
    wait_until(lambda: scraped(metrics).get(HOLDS) == 0)
    wait_until(lambda: browsed(bending, key, 4) == [200] * 4)


def test_it_ends_by_itself(bending: Running, app: HttpStub, dsn: str, key: str, metrics: str) -> None:
    assert app.seen == []
    with psycopg.connect(dsn) as connection:
        declare(connection, PEAK, 5.0, Told("ann", "a moment"))
    wait_until(lambda: scraped(metrics).get(HOLDS) == 2)
    wait_until(lambda: scraped(metrics).get(HOLDS) == 0)
    wait_until(lambda: browsed(bending, key, 4) == [200] * 4)
