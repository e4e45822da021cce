"""A facade as its own process, in front of an application that the test plays. Both are shared by a module's tests."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from legacy_app.plan.plan import plan as sample
from outbox.connection import PsycopgConnection
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.support.http_stub import HttpStub, http_stub

PLAN = Path(__file__).parents[2] / "support" / "facade_plan.py"
StartFacade = Callable[..., Running]
NEVER_EXPIRES = ("--expire-every-s", "3600")  # of the keys of other tests, while one looks


@pytest.fixture(scope="module")
def shared_app() -> Iterator[HttpStub]:
    with http_stub() as app:
        yield app


@pytest.fixture
def app(shared_app: HttpStub) -> Iterator[HttpStub]:
    """With no memory of other tests."""
    shared_app.forget()
    yield shared_app
    shared_app.release()


@pytest.fixture(scope="module")
def dsn(stack: Stack) -> Iterator[str]:
    """A database of the module: keys of different tests are different."""
    name = f"facade_{secrets.token_hex(6)}"
    yield stack.database(name, sample)
    stack.databases.drop(name)


@pytest.fixture(scope="module")
def launch(stack: Stack, dsn: str, shared_app: HttpStub) -> Iterator[StartFacade]:
    """Starts facades on the module's database and application; `stop_at` names a fault point."""
    started: list[Running] = []

    def start(
        *flags: str,
        stop_at: str = "",
        dsn: str = dsn,
        upstream: str = shared_app.url,
        plan: Path = PLAN,
        token: str = "",
        metrics: str = "",
        more: Mapping[str, str] | None = None,
    ) -> Running:
        env = {
            "STRANGLER_INTERNAL_TOKEN": token,
            "STRANGLER_DSN": dsn,
            "LEGACY_URL": upstream,
            "STRANGLER_PLAN": str(plan),
            "OUTBOX_METRICS_ADDRESS": metrics,
            **(more or {}),
        }
        port = stack.take_port()
        running = stack.spawn(
            f"facade-{port}",
            [sys.executable, "-m", "strangler", "facade", "--port", str(port), *NEVER_EXPIRES, *flags],
            env=env | ({"OUTBOX_STOP_AT": stop_at} if stop_at else {}),
            port_env="FACADE_PORT",
            port=port,
            ready_path="/-/healthz",
        )
        started.append(running)
        return running

    yield start
    for running in started:
        running.kill()


@pytest.fixture(scope="module")
def facade(launch: StartFacade) -> Running:
    return launch()


@pytest.fixture
def connection(dsn: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    """Of a facade, at once; what they were answered is awaited at the end."""
    with ThreadPoolExecutor(64) as threads:
        yield threads


@pytest.fixture
def key() -> str:
    """An Idempotency-Key of this test only."""
    return f"key-{secrets.token_hex(8)}"
