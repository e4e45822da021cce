"""What a look at the lag costs, and keeps for the next one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Never

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Poison
from outbox.consumer.gauges import LagLook
from outbox.consumer.lag.read import LagReader
from outbox.consumer.lag.stored import PARKED, stored
from outbox.errors import DependencyDown
from outbox.event import ReceivedEvent
from outbox.kafka.port import Reader
from outbox.kafka.python_admin import PythonAdmin
from tests.integration.consumer_rig import Rig, connect_to
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.waiting import wait_until


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=2) as rig:
        yield rig


def test_clients_are_kept_while_kafka_answers_and_closed_when_it_does_not_and_at_the_end(
    rig: Rig, bootstrap: str
) -> None:
    class Noted(PythonAdmin):
        def __init__(self) -> None:
            super().__init__(bootstrap)
            self.closed = False
            made.append(self)

        def close(self) -> None:
            self.closed = True
            super().close()

    down = {"PostgreSQL": False, "Kafka": True}

    def connect() -> PsycopgConnection:
        if down["PostgreSQL"]:
            raise psycopg.OperationalError("the server closed the connection unexpectedly")
        return connect_to(rig.dsn)

    def make_reader() -> Reader:
        if down["Kafka"]:
            raise DependencyDown("Kafka does not answer")
        return rig.make_reader()

    made: list[Noted] = []
    look = LagLook(rig.group, [rig.topic], connect, Noted, make_reader)
    with pytest.raises(DependencyDown, match="Kafka does not answer"):
        look()
    assert [one.closed for one in made] == [True]
    down["Kafka"] = False
    rig.send("order-1", 1)
    assert look().records == 1
    down["PostgreSQL"] = True
    with pytest.raises(psycopg.OperationalError):
        look()
    down["PostgreSQL"] = False
    assert look().records == 1
    assert [one.closed for one in made] == [True, False]
    look.close()
    assert [one.closed for one in made] == [True, True]


def test_only_what_still_waits_is_kept_for_the_next_look(rig: Rig) -> None:
    def park(_connection: PsycopgConnection, _events: Sequence[ReceivedEvent]) -> Never:
        raise Poison(0, "not yet")

    with closing(rig.make_reader()) as reader:
        lag_reader = LagReader(group=rig.group, topics=[rig.topic], admin=rig.admin, reader=reader)

        def kept() -> tuple[int, int]:
            with connect_to(rig.dsn) as connection:
                lag_reader.read(connection)
            scans, parked = lag_reader.kept
            return len(scans), len(parked)

        rig.send("order-1", 1)
        assert kept() == (2, 0)  # nobody has passed either partition
        rig.runtime(park)
        wait_until(rig.caught_up, rig.positions)
        wait_until(lambda: kept() == (0, 1), kept)
        rig.sql("UPDATE quarantine SET resolved_at = now(), resolution = 'discarded'")
        assert kept() == (0, 0)


def test_of_many_parked_events_only_the_first_ones_headers_are_carried_on(rig: Rig) -> None:
    headers = '[["id", "' + "x" * 1_000 + '"]]'
    with connect_to(rig.dsn) as connection:
        connection.execute(
            'INSERT INTO quarantine (group_name, topic, incarnation, partition, "offset", reason, kept_headers)'
            " SELECT %s, %s, 'a', number %% 4, number, 'poison', %s FROM generate_series(1, 4000) AS number",
            [rig.group, rig.topic, headers],
        )
        connection.execute("ANALYZE quarantine")
        ((plan,),) = connection.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {PARKED}", [rig.group]).fetchall()
        found = stored(connection, rig.group).parked
    carrying = {node["Node Type"] for node in wide_nodes(plan[0]["Plan"])}
    assert not {one for one in carrying if "Sort" in one or "Agg" in one or one == "Unique"}, plan
    assert sorted((one.partition.partition, one.offset, one.count) for one in found) == [
        (0, 4, 1_000),
        (1, 1, 1_000),
        (2, 2, 1_000),
        (3, 3, 1_000),
    ]


def wide_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that hand headers on."""
    if any("kept_headers" in column for column in node["Output"]):
        yield node
    for below in node.get("Plans", ()):
        yield from wide_nodes(below)
