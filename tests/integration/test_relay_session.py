"""What one session of the relay measures, on a real WAL, and of acknowledgements that come when we say so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from outbox import append
from outbox.errors import DependencyDown
from outbox.fault_points import FaultPoints
from outbox.relay import slot
from outbox.relay.publisher import Bounds, Publisher
from outbox.relay.pump import Pump
from outbox.relay.rows import OutboxRows
from outbox.relay.session import RelaySession
from outbox.relay.wal import WalStream
from strangler.local.databases import database_of
from tests.support.relay_rig import order_event
from tests.support.waiting import wait_until
from tests.unit.test_publisher import HandProducer, outgoing

pytestmark = pytest.mark.no_kafka
END_THE_STREAM = """
SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database()"""
RECORDS, DELAY = "outbox_relay_in_flight_records", "outbox_relay_delay_seconds"


@dataclass
class Measured:
    """A session, its producer, and each value that it told."""

    session: RelaySession
    producer: HandProducer
    told: list[tuple[str, float]] = field(default_factory=list)

    def of(self, name: str) -> list[float]:
        return [value for one, value in self.told if one == name]


@pytest.fixture
def measured(toolkit: str) -> Iterator[Measured]:
    name = f"outbox_{database_of(toolkit)}"
    slot.ensure(toolkit, slot=name, publication="outbox", skip_existing=False)
    producer, faults = HandProducer(), FaultPoints()
    publisher = Publisher(producer, Bounds(100, 1 << 20), faults)
    told: list[tuple[str, float]] = []
    with closing(WalStream.start(toolkit, slot=name, publication="outbox")) as stream:
        session = RelaySession(
            stream=stream,
            publisher=publisher,
            pump=Pump(OutboxRows(topic_prefix="t.", source="test"), publisher, lambda _: None, faults),
            fault_points=faults,
            clock=ticking(),
            confirm_interval_s=0.02,
            observe=lambda metric, value: told.append((metric, value)),
            upkeep=lambda: None,
        )
        yield Measured(session, producer, told)


def ticking() -> Callable[[], float]:
    """Every look finds a minute gone, so each turn measures."""
    now = [0.0]

    def clock() -> float:
        now[0] += 60.0
        return now[0]

    return clock


@contextmanager
def ending(stop: threading.Event) -> Iterator[None]:
    """However the block ends."""
    try:
        yield
    finally:
        stop.set()


def test_nothing_is_in_flight_when_a_session_has_failed(toolkit: str, measured: Measured) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as threads, ending(stop):
        ended = threads.submit(measured.session.run, stop)
        with psycopg.connect(toolkit) as connection:
            append(connection, order_event("o-1", 1))
            connection.commit()
            wait_until(lambda: 1.0 in measured.of(RECORDS), lambda: measured.told[-5:])
            connection.execute(END_THE_STREAM)
        with pytest.raises(DependencyDown):
            ended.result(60)
    assert measured.of(RECORDS)[-1] == 0
    assert not measured.producer.deliveries[0].done()


def test_the_delay_of_a_commit_is_told_that_is_read_after_its_events_are_acknowledged(measured: Measured) -> None:
    session = measured.session
    session.publisher.publish(outgoing())
    measured.producer.deliveries[0].state = True
    session._collect()
    assert measured.of(DELAY) == []
    session.publisher.committed(round((session.wall_clock() - 3) * 1e6))
    session._collect()
    (delay_s,) = measured.of(DELAY)
    assert delay_s >= 3
