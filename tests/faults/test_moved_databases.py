"""The database moves under relay and consumers: what they say, and what a person says so that they go on.

Each drill is a row of docs/reference/consumers.md.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from psycopg.conninfo import conninfo_to_dict

from outbox import Consumer, PsycopgConnection, ReceivedEvent, append
from outbox.cli import main
from outbox.consumer import Metric
from outbox.kafka.partition import partition_of
from strangler.local.databases import with_database
from strangler.local.postgres import SERVER, find_package
from strangler.local.stack import Stack
from tests.support.logs import lines_of
from tests.support.relay_rig import RelayRig, order_event
from tests.support.replica import replica_of
from tests.support.waiting import wait_until

BIN = find_package() / SERVER.parent
TOLD = ("--actor", "ann", "--reason", "the drill: reconciled")
KEY = "o-1"
ELSEWHERE = next(
    key for key in map("o-{}".format, range(2, 99)) if partition_of(key.encode(), 3) != partition_of(KEY.encode(), 3)
)
NOTED = "CREATE TABLE drill.noted (key text, number bigint, PRIMARY KEY (key, number))"


def note(connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> None:
    """A second row of one event would fail."""
    rows = [(one.event.aggregate_id, one.event.aggregate_version) for one in received]
    connection.cursor().executemany("INSERT INTO drill.noted VALUES (%s, %s)", rows)


@pytest.fixture
def rig(stack: Stack, database: str, topic_prefix: str) -> Iterator[RelayRig]:
    rig = RelayRig.prepare(stack, database, topic_prefix)
    consumer_of(rig).migrate()
    with rig.connect() as connection:
        connection.execute(NOTED)
    yield rig
    rig.end()


def consumer_of(rig: RelayRig, counts: Counter[str] | None = None, sources: Sequence[str] = ()) -> Consumer:
    counted = Counter[str]() if counts is None else counts
    return Consumer(
        topics=["order"],
        group="drill",
        handler=note,
        dsn=rig.dsn,
        bootstrap=rig.stack.bootstrap,
        prefix=rig.topic_prefix,
        sources=sources,
        observe=lambda name, value, **_: counted.update({name: value}),
    )


@contextmanager
def consuming(rig: RelayRig, *sources: str) -> Iterator[Counter[str]]:
    counts = Counter[str]()
    consumer = consumer_of(rig, counts, sources)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield counts
    finally:
        consumer.stop()
        thread.join(30)


def placed(rig: RelayRig, *numbers: int, key: str = KEY) -> None:
    for number in numbers:
        with rig.connect() as connection:
            append(connection, order_event(key, number))


def noted(rig: RelayRig, *numbers: int) -> None:
    def seen() -> list[int]:
        with rig.connect() as connection:
            return [row[0] for row in connection.execute("SELECT number FROM drill.noted ORDER BY number")]

    wait_until(lambda: seen() == list(numbers), seen)


def refused(rig: RelayRig, words: str, **environ: str) -> None:
    """The relay ends with that."""
    relay = rig.launch(**environ)
    wait_until(lambda: not relay.alive())
    assert words in relay.said().decode()


def restored(rig: RelayRig, name: str) -> RelayRig:
    """The rig at a dump of its database, under another name."""
    with rig.connect(autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    dsn = with_database(rig.dsn, name)
    dump = subprocess.run([BIN / "pg_dump", "-Fc", rig.dsn], capture_output=True, check=True, timeout=60).stdout
    subprocess.run([BIN / "pg_restore", "-d", dsn], input=dump, check=True, capture_output=True, timeout=60)
    return replace(rig, dsn=dsn, relays=[])


@pytest.mark.timeout(180)
def test_a_dump_restored_elsewhere_goes_on_once_its_old_source_is_named(rig: RelayRig) -> None:
    old = rig.source
    relay = rig.start()
    placed(rig, 1, 2, 3)
    with consuming(rig):
        noted(rig, 1, 2, 3)
    placed(rig, 4, 5)  # published, and not consumed yet
    placed(rig, 101, key=ELSEWHERE)  # nor is this one, where nothing was consumed of the old source
    rig.wait_published(6)
    rig.wait_confirmed()
    relay.terminate()
    name = conninfo_to_dict(rig.dsn)["dbname"]
    moved = restored(rig, f"{name}_moved")
    try:
        assert moved.source != old
        refused(moved, "there is no slot")
        placed(moved, 6)
        with consuming(moved) as counts:
            wait_until(lambda: counts[Metric.SOURCE_BROKEN] > 0, lambda: counts)
            noted(moved, 1, 2, 3, 4, 5)
        moved.start(OUTBOX_SKIP_EXISTING="1", OUTBOX_SOURCES=old)
        placed(moved, 7)
        with consuming(moved, old) as counts:
            noted(moved, 1, 2, 3, 4, 5, 7, 101)  # 6 stood there before the slot: given up, as was said
        assert counts[Metric.SOURCE_BROKEN] == 0
    finally:
        moved.end()
        rig.stack.databases.drop(f"{name}_moved")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("behind", [False, True], ids=["had everything", "lacked the last"])
def test_a_promoted_replica_goes_on_by_itself_or_once_it_is_accepted(
    rig: RelayRig, behind: bool, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    relay = rig.start()
    placed(rig, 1, 2, 3)
    with replica_of(rig.dsn) as replica:
        with consuming(rig):
            noted(rig, 1, 2, 3)
            replica.caught_up()
            if behind:
                replica.cut_off()
                with rig.connect(autocommit=True) as connection:
                    connection.execute("SELECT pg_switch_wal()")
                placed(rig, 4, 5)  # sent by the old server, and never come to the new one
                noted(rig, 1, 2, 3, 4, 5)
        if not behind:
            replica.caught_up()
        relay.terminate()
        promoted = replace(rig, dsn=replica.dsn(str(conninfo_to_dict(rig.dsn)["dbname"])), relays=[])
        replica.promote()
        assert promoted.source == rig.source
        try:
            refused(promoted, "there is no slot")
            promoted.start(OUTBOX_SKIP_EXISTING="1")
            with consuming(promoted) as counts, caplog.at_level(logging.ERROR, "outbox.consumer"):
                if behind:
                    noted(promoted, 1, 2, 3, 4, 5)  # from the topic
                    placed(promoted, 6)
                    wait_until(lambda: counts[Metric.SOURCE_BROKEN] > 0, lambda: counts)
                    assert any(
                        "positions accept" in getattr(one, "detail", "") for one in lines_of(caplog, "outbox.consumer")
                    )
                    accept(promoted)
                else:
                    placed(promoted, 6)
                expected = (1, 2, 3, 4, 5, 6) if behind else (1, 2, 3, 6)
                noted(promoted, *expected)
            assert (counts[Metric.SOURCE_BROKEN] > 0) is behind
        finally:
            promoted.end()


def accept(rig: RelayRig) -> None:
    """By the verb, for the one partition of the one key."""
    with rig.connect() as connection:
        query = "SELECT DISTINCT partition FROM drill.position WHERE source IS NOT NULL"
        for (partition,) in connection.execute(query):
            place = f"drill:{rig.topic}/{partition}"
            assert main(["positions", "accept", place, *TOLD, "--dsn", rig.dsn]) == 0
