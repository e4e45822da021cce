"""The relay on a real database and a real broker: order, headers, idle WAL, and coming back."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Iterator
from functools import partial

import psycopg
import pytest
import requests

from legacy_app.plan.plan import plan as sample
from outbox import append
from outbox.catalogue import RELAY, SLOT
from outbox.event import SourcePosition
from outbox.kafka.partition import partition_of
from strangler.local.stack import Stack
from tests.support.relay_rig import (
    PARTITIONS,
    WITHIN_S,
    RelayRig,
    append_in_random_transactions,
    assert_counts_up,
    assert_repeats_are_recognisable,
    first_arrivals,
    order_event,
)
from tests.support.waiting import wait_until

FOREIGN_WRITE = "CREATE TABLE foreign_rows AS SELECT repeat('x', 1000) AS filler FROM generate_series(1, 2000)"
READERS = """
SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s AND active_pid IS NOT NULL"""
TERMINATE = "SELECT pg_terminate_backend(%s)"


@pytest.fixture
def rig(stack: Stack, database: str, topic_prefix: str) -> Iterator[RelayRig]:
    rig = RelayRig.prepare(stack, database, topic_prefix)
    yield rig
    rig.end()


def test_events_arrive_in_commit_order_with_their_headers(rig: RelayRig) -> None:
    rig.start()
    with rig.connect() as connection:
        append(connection, order_event("o-1", 1, payload=b"\x00{}"))
        append(connection, order_event("o-2", 1))
        connection.commit()
        append(connection, order_event("o-1", 2, kind="OrderCancelled"))

    received = {(one.event.aggregate_id, one.event.aggregate_version): one for one in rig.wait_published(3)}

    assert received.keys() == {("o-1", 1), ("o-2", 1), ("o-1", 2)}
    first, other, second = (received[key] for key in [("o-1", 1), ("o-2", 1), ("o-1", 2)])
    assert (first.event.aggregate_type, first.event.type, first.event.payload) == ("order", "OrderPlaced", b"\x00{}")
    assert first.event.context == {"epoch": 1}
    assert first.position is not None
    assert other.position == SourcePosition(rig.source, first.position.lsn, 1)
    assert second.position is not None
    assert second.position > other.position
    assert first.offset < second.offset
    assert first.partition == second.partition == partition_of(b"o-1", PARTITIONS)


def test_what_is_rolled_back_never_arrives(rig: RelayRig) -> None:
    rig.start()
    with rig.connect() as connection:
        append(connection, order_event("undone", 1))
        connection.rollback()
        append(connection, order_event("done", 1))

    rig.wait_published(1)
    rig.wait_confirmed()
    assert [one.event.aggregate_id for one in rig.events()] == ["done"]


def test_interleaved_transactions_arrive_in_the_order_of_their_commits(rig: RelayRig) -> None:
    rig.start()
    with rig.connect() as early, rig.connect() as late:
        append(early, order_event("o-1", 2))
        append(late, order_event("o-1", 1))
        append(early, order_event("o-1", 3))
        late.commit()
        early.commit()

    arrived = rig.wait_published(3)
    assert [one.event.aggregate_version for one in arrived] == [1, 2, 3]


def test_writers_at_once_lose_nothing(rig: RelayRig) -> None:
    rig.start()

    def write(number: int) -> None:
        with rig.connect() as connection:
            for version in range(1, 41):
                append(connection, order_event(f"w-{number}", version))
                connection.commit()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(WITHIN_S)

    versions = first_arrivals(rig.wait_published(160))
    assert_counts_up(versions)
    assert sum(map(len, versions.values())) == 160


def test_an_event_of_almost_a_megabyte_arrives(rig: RelayRig) -> None:
    rig.start()
    with rig.connect() as connection:
        append(connection, order_event("large", 1, payload=bytes(range(256)) * 3_900))

    assert rig.wait_published(1)[0].event.payload == bytes(range(256)) * 3_900


def test_foreign_wal_is_confirmed_without_any_event(rig: RelayRig) -> None:
    rig.start()
    with rig.connect(autocommit=True) as connection:
        before = rig.confirmed_lsn(connection)
        connection.execute(FOREIGN_WRITE)
        rig.wait_confirmed()
        assert rig.confirmed_lsn(connection) - before > 2_000_000
    assert rig.published() == 0


def test_a_clean_stop_confirms_so_that_nothing_is_repeated(rig: RelayRig) -> None:
    relay = rig.start()
    with rig.connect() as connection:
        append_in_random_transactions(connection, random.Random(3), 60)
    rig.wait_published(30)

    assert relay.terminate(60) == 0
    sent_before = rig.published()
    relay.start()
    rig.wait_published(60)
    rig.wait_confirmed()

    assert rig.published() == 60
    assert sent_before <= 60
    assert_counts_up(first_arrivals(rig.events()))


def test_a_killed_backend_is_reconnected(rig: RelayRig) -> None:
    relay = rig.start()
    with rig.connect() as connection:
        append_in_random_transactions(connection, random.Random(5), 20)
        connection.commit()
        rig.wait_published(20)
        for _ in range(2):
            pid = reader_of(rig)
            connection.execute(TERMINATE, (pid,))
            connection.commit()
            wait_until(partial(is_read_by_another, rig, pid), within_s=WITHIN_S)
        append(connection, order_event("after", 1))

    events = rig.wait_published(21)
    assert relay.alive()
    assert_counts_up(first_arrivals(events))
    assert_repeats_are_recognisable(events)


def test_a_second_relay_stands_by_and_takes_over(rig: RelayRig) -> None:
    first = rig.start("first")
    second = rig.launch("second", OUTBOX_START_WITHIN_S="1")
    wait_until(lambda: "slot_in_use" in second.log_path.read_text(), within_s=WITHIN_S)
    first.kill()
    with rig.connect() as connection:
        append(connection, order_event("o-1", 1))

    assert [one.event.aggregate_id for one in rig.wait_published(1)] == ["o-1"]
    assert second.alive()


def test_a_broker_may_restart(rig: RelayRig) -> None:
    """Stopped in order: killed, the embedded Kafka would forget what it acknowledged."""
    kafka = rig.stack.kafka
    if kafka is None:
        pytest.fail("the stack's Kafka was given by address: this test needs one that it may restart")
    relay = rig.start()
    with rig.connect() as connection:
        append_in_random_transactions(connection, random.Random(7), 30)
        connection.commit()
        rig.wait_published(30)
        kafka.terminate(20)
        append(connection, order_event("meanwhile", 1))
        connection.commit()
        kafka.start()
        append(connection, order_event("after", 1))

    events = rig.wait_published(32)
    assert relay.alive()
    assert_counts_up(first_arrivals(events))
    assert_repeats_are_recognisable(events)


def reader_of(rig: RelayRig) -> int | None:
    with psycopg.connect(rig.dsn) as connection:
        row = connection.execute(READERS, (rig.slot,)).fetchone()
    return row[0] if row else None


def is_read_by_another(rig: RelayRig, before: int | None) -> bool:
    return reader_of(rig) not in (None, before)


def test_a_topic_of_another_installation_is_refused_before_anything_is_written(
    stack: Stack, rig: RelayRig, topic_prefix: str
) -> None:
    """The same server, another database: both would say `outbox.event.order`."""
    rig.start()
    with rig.connect() as connection:
        append(connection, order_event("ours", 1))
    rig.wait_published(1)
    name = f"second_{secrets.token_hex(4)}"
    second = RelayRig.prepare(stack, stack.database(name, sample), topic_prefix)
    try:
        refused = second.start("second")
        with second.connect() as connection:
            append(connection, order_event("theirs", 1))
        wait_until(lambda: not refused.alive(), within_s=WITHIN_S)
        said = refused.log_path.read_text()
        assert f"holds events of another installation, of source {rig.source}" in said
        assert "set OUTBOX_TOPIC_PREFIX" in said
        assert [one.event.aggregate_id for one in rig.events()] == ["ours"]

        second.start("second-moved", OUTBOX_SOURCES=rig.source)  # it was this database, before it moved
        arrived = rig.wait_published(2)
        assert {one.event.aggregate_id: one.position and one.position.source for one in arrived} == {
            "ours": rig.source,
            "theirs": second.source,
        }
    finally:
        second.end()
        stack.databases.drop(name)


def test_a_source_that_is_none_stops_the_start(rig: RelayRig) -> None:
    refused = rig.launch(OUTBOX_SOURCES="main")
    wait_until(lambda: not refused.alive(), within_s=WITHIN_S)
    assert "OUTBOX_SOURCES has 'main', which is no source" in refused.log_path.read_text()


def test_it_serves_what_it_counts_where_it_is_told_to(rig: RelayRig) -> None:
    address = f"127.0.0.1:{rig.stack.take_port()}"
    rig.start(OUTBOX_METRICS_ADDRESS=address)
    with rig.connect() as connection:
        append(connection, order_event("o-1", 1))
    rig.wait_published(1)

    def counted() -> str:
        return requests.get(f"http://{address}/metrics", timeout=30).text

    wait_until(lambda: 'outbox_relay_delay_seconds_count{context="relay"} 1' in counted(), within_s=30)
    assert counted().count('outbox_relay_records_total{context="relay"} 1') == 1
    wait_until(lambda: 'outbox_relay_in_flight_records{context="relay"} 0' in counted(), within_s=30)
    told = {line.split()[2] for line in counted().splitlines() if line.startswith("# TYPE")}
    limited = {"outbox_relay_slot_safe_bytes"}  # no limit is set here
    assert {one.shown for one in (*RELAY, *SLOT)} - told == {"outbox_relay_reconnects_total"} | limited
    assert 'outbox_relay_slot_exists{context="relay"} 1' in counted()
