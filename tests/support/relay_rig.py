"""A relay of one test: its environment, its process, and the events to publish through it."""

from __future__ import annotations

import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Self

import psycopg

from outbox import Event, PsycopgConnection, ReceivedEvent, append, partitions
from outbox.installation import source_of
from outbox.kafka.python_admin import PythonAdmin
from outbox.relay import slot
from strangler.local.databases import database_of
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.support.topic_reader import read_events
from tests.support.waiting import wait_until

PARTITIONS = 3
WITHIN_S = 30.0
INSERT_LSN = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"


@dataclass(frozen=True, slots=True)
class RelayRig:
    """Slot and topic are the test's own."""

    stack: Stack
    dsn: str = field(repr=False)
    topic_prefix: str
    relays: list[Running] = field(default_factory=list)

    @classmethod
    def prepare(cls, stack: Stack, dsn: str, topic_prefix: str) -> Self:
        """Partitions of the table, and the topic `order`."""
        with psycopg.connect(dsn) as connection:
            partitions.ensure(connection)
        with closing(PythonAdmin(stack.bootstrap)) as admin:
            admin.ensure_topics({f"{topic_prefix}order": PARTITIONS})
        return cls(stack, dsn, topic_prefix)

    @property
    def slot(self) -> str:
        return f"outbox_{database_of(self.dsn)}"

    @property
    def topic(self) -> str:
        return f"{self.topic_prefix}order"

    @property
    def source(self) -> str:
        """What positions call the rig's database."""
        with self.connect() as connection:
            return source_of(connection)

    def environ(self) -> dict[str, str]:
        return {
            "STRANGLER_DSN": self.dsn,
            "KAFKA_BOOTSTRAP": self.stack.bootstrap,
            "OUTBOX_SLOT": self.slot,
            "OUTBOX_TOPIC_PREFIX": self.topic_prefix,
        }

    def start(self, name: str = "relay", **environ: str) -> Running:
        """A relay process that streams."""
        return self._spawn(name, environ, Running.said_ready)

    def launch(self, name: str = "relay", **environ: str) -> Running:
        """A relay process that nobody waits for."""
        return self._spawn(name, environ, None)

    def _spawn(self, name: str, environ: Mapping[str, str], ready: Callable[[Running], bool] | None) -> Running:
        argv = [sys.executable, "-m", "outbox", "relay"]
        log = f"{name}-{self.topic_prefix}log"
        self.relays.append(self.stack.spawn(log, argv, env={**self.environ(), **environ}, ready=ready))
        return self.relays[-1]

    def end(self) -> None:
        """No relay outlives its test: it would look for its database for as long as the stack runs."""
        for relay in self.relays:
            relay.kill()

    def connect(self, *, autocommit: bool = False) -> PsycopgConnection:
        return psycopg.connect(self.dsn, autocommit=autocommit)

    def events(self) -> list[ReceivedEvent]:
        return read_events(self.stack.bootstrap, self.topic, PARTITIONS)

    def published(self) -> int:
        with closing(PythonAdmin(self.stack.bootstrap)) as admin:
            return sum(admin.end_offsets([self.topic]).values())

    def wait_published(self, count: int) -> list[ReceivedEvent]:
        """All events once at least `count` records are there."""
        with closing(PythonAdmin(self.stack.bootstrap)) as admin:
            wait_until(lambda: sum(admin.end_offsets([self.topic]).values()) >= count, within_s=WITHIN_S)
        return self.events()

    def wait_confirmed(self) -> None:
        """Until the slot has confirmed all WAL that is written now."""
        end_lsn = self.insert_lsn()
        with self.connect(autocommit=True) as connection:
            wait_until(lambda: self.confirmed_lsn(connection) >= end_lsn, within_s=WITHIN_S)

    def insert_lsn(self) -> int:
        """Behind all that is written; on a server that commits asynchronously the flushed position lags."""
        with self.connect() as connection:
            row = connection.execute(INSERT_LSN).fetchone()
        assert row is not None
        return int(row[0])

    def confirmed_lsn(self, connection: PsycopgConnection) -> int:
        state = slot.inspect(connection, self.slot)
        assert state is not None
        return state.confirmed_lsn or 0


def order_event(key: str, version: int, *, kind: str = "OrderPlaced", payload: bytes = b"{}") -> Event:
    return Event("order", key, version, kind, payload, {"epoch": 1})


def append_in_random_transactions(connection: PsycopgConnection, rng: random.Random, events: int) -> None:
    """Versions count up per key; transactions of one to four events, some rolled back and tried again."""
    versions: dict[str, int] = defaultdict(int)
    left = events
    while left:
        batch = [f"o-{rng.randrange(12)}" for _ in range(min(left, rng.randint(1, 4)))]
        if rng.random() < 0.2:
            _append_batch(connection, batch, dict(versions))
            connection.rollback()
        versions |= _append_batch(connection, batch, dict(versions))
        connection.commit()
        left -= len(batch)


def _append_batch(connection: PsycopgConnection, keys: Iterable[str], versions: Mapping[str, int]) -> dict[str, int]:
    counted = defaultdict(int, versions)
    for key in keys:
        counted[key] += 1
        append(connection, order_event(key, counted[key]))
    return counted


def first_arrivals(events: Iterable[ReceivedEvent]) -> dict[str, list[int]]:
    """Versions per key in the order in which each was first seen; `events` in order within a partition."""
    seen, versions = set(), defaultdict(list)
    for received in events:
        if received.event.id not in seen:
            seen.add(received.event.id)
            versions[received.event.aggregate_id].append(received.event.aggregate_version)
    return dict(versions)


def assert_counts_up(versions: Mapping[str, list[int]]) -> None:
    """Every key has 1, 2, 3... in this order: nothing lost, nothing overtaken."""
    assert {key: list(range(1, len(found) + 1)) for key, found in versions.items()} == versions


def assert_repeats_are_recognisable(events: Iterable[ReceivedEvent]) -> None:
    """One event has one position, however often it was sent; two events never share one."""
    positions = defaultdict(set)
    for received in events:
        positions[received.event.id].add(received.position)
    assert {len(found) for found in positions.values()} == {1}
    assert len({next(iter(found)) for found in positions.values()}) == len(positions)
