"""A database with the small plan's steps, a connection to it, and pins as the facade makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.ownership import Ownership
from strangler.stages import ownership_for
from strangler.store import ensure_steps, read_stages, share_stage_lock
from tests.integration.stages.legacy import TOKEN, Monolith, serving
from tests.integration.stages.plan import plan

PLAN_FILE = Path(__file__).with_name("plan.py")
PIN = "INSERT INTO strangler.ownership (subject_ref, epoch, owners) VALUES (%s, %s, %s)"
Pin = Callable[[PsycopgConnection, str], Ownership]


def pin(connection: PsycopgConnection, order_ref: str) -> Ownership:
    """In one transaction: lock shared, read, store."""
    with connection.transaction():
        share_stage_lock(connection)
        pinned = ownership_for(read_stages(connection), order_ref)
        connection.execute(PIN, (order_ref, pinned.epoch, pinned.to_header()))
    return pinned


@pytest.fixture
def shop(database: str) -> str:
    """The DSN of a database whose steps begin at legacy."""
    with psycopg.connect(database) as connection:
        ensure_steps(connection, plan)
    return database


@pytest.fixture
def connection(shop: str) -> Iterator[PsycopgConnection]:
    """To the shop, outside any transaction."""
    with psycopg.connect(shop, autocommit=True) as opened:
        yield opened


@pytest.fixture
def monolith() -> Iterator[Monolith]:
    """A legacy that answers."""
    with serving(Monolith()) as running:
        yield running


@pytest.fixture
def environ(shop: str, monolith: Monolith) -> dict[str, str]:
    """The addresses that a hand-back needs."""
    return {
        "STRANGLER_DSN": shop,
        "LEGACY_URL": monolith.url,
        "STRANGLER_INTERNAL_TOKEN": TOKEN,
        "STRANGLER_PLAN": str(PLAN_FILE),
    }
