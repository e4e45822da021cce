"""Fixtures of the contexts' tests: the vendors, one process for all, and orders that they have never heard of."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest

from legacy_app.vendors.knobs import Knobs
from strangler.local.stack import Stack
from tests.integration.booking_desk import TABLE, Desk
from tests.integration.consumer_faults import rig_in_memory
from tests.integration.consumer_rig import Rig
from tests.integration.reconcile_town import Town
from tests.support.callers import DRIVERS, engine_of
from tests.support.kafka.memory import MemoryBroker
from tests.support.vendors_server import Vendors, vendors_server


@pytest.fixture(scope="session")
def shared_vendors(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    """Started once: a process takes longer than most tests."""
    folder: Path = tmp_path_factory.mktemp("vendors")
    with vendors_server(stack, folder) as vendors:
        yield vendors


@pytest.fixture
def vendors(shared_vendors: Vendors) -> Vendors:
    """Well behaved until a test turns a knob."""
    for book in ("payments", "fraud"):
        shared_vendors.turn(book, **asdict(Knobs()))
    return shared_vendors


@pytest.fixture
def a() -> str:
    """The reference of an order."""
    return f"a{secrets.token_hex(4)}"


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def rig(database: str, broker: MemoryBroker) -> Iterator[Rig]:
    """A context over the broker in memory; who tests on Kafka has a `rig` of its own."""
    with rig_in_memory(database, broker) as rig:
        yield rig


@pytest.fixture
def bare_town(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Town]:
    """For the judge: no slot yet, and no consumer has been there."""
    town = Town(database, bootstrap, topic_prefix)
    yield town
    town.close()


@pytest.fixture
def town(bare_town: Town) -> Iterator[Town]:
    """The slot follows the WAL and all lanes stand at the ends, unless a test says otherwise."""
    with bare_town.caught_up():
        yield bare_town


@pytest.fixture
def bookings(toolkit: str) -> str:
    """The DSN of a fresh database with the toolkit's tables, and the one of a small application."""
    with psycopg.connect(toolkit) as connection:
        connection.execute(TABLE)
    return toolkit


@pytest.fixture(params=DRIVERS)
def desk(request: pytest.FixtureRequest, bookings: str) -> Iterator[Desk]:
    """That application, on each driver that its SQLAlchemy knows."""
    desk = Desk(engine_of(bookings, request.param))
    yield desk
    desk.strangled.close()
    desk.engine.dispose()
