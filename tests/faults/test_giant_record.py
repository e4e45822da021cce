"""A record larger than what a fetch asks for, and than the bound of a partition in memory: handled, or seen and cut."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from outbox.connection import PsycopgConnection
from outbox.consumer import Bound, Disposition, Metric, Poison
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.codec import to_headers
from outbox.kafka.python_network import Network
from strangler.cli import main
from tests.integration.consumer_rig import QUICK, Rig, write_effects
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.waiting import wait_until

MIB = 1024 * 1024
GIANT, LIMIT = 3 * MIB, 4 * MIB  # a fetch asks for 1 MiB of a partition


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, kafka_client=Network)
    limits = {"max.message.bytes": str(LIMIT)}
    admin.create_topics([NewTopic(f"{topic_prefix}order", 1, 1, topic_configs=limits)])
    admin.close()
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=1) as rig:
        yield rig


def send_giant(rig: Rig, bootstrap: str, key: str, number: int) -> None:
    """Past our own producer, which refuses it as `append` and the relay do."""
    rig.producer.flush(10.0)
    rig.lsn += 1
    event = Event("order", key, number, "OrderPlaced", b"g" * GIANT)
    writer = KafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * LIMIT, acks="all", kafka_client=Network)
    writer.send(
        rig.topic,
        value=event.payload,
        key=key.encode(),
        headers=to_headers(event, SourcePosition("test", rig.lsn, 0)),
    ).get(timeout=30)
    writer.close()
    rig.sent.append((key, number))


@pytest.mark.timeout(240)
def test_it_is_handled_in_its_place_and_holds_its_partition_back_meanwhile(rig: Rig, bootstrap: str) -> None:
    for number in (1, 2):
        rig.send("order-1", number)
    send_giant(rig, bootstrap, "order-1", 3)
    send_giant(rig, bootstrap, "order-2", 1)
    rig.send("order-1", 4)
    rig.producer.flush(10.0)
    running = rig.runtime(settings=replace(QUICK, bound=Bound(records=100, bytes=MIB)))
    wait_until(rig.all_applied, lambda: (len(rig.effects()), running.counts))
    wait_until(rig.caught_up, rig.positions)
    assert running.count(Metric.PAUSED) > 0
    assert running.count(Metric.STALLED) == 0
    rig.assert_once_and_in_order()


@pytest.mark.timeout(240)
def test_one_that_cannot_be_handled_is_parked_and_shown_cut(
    rig: Rig, bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusing(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for index, received in enumerate(events):
            if len(received.event.payload) > MIB:
                raise Poison(index, "larger than an order can be")
        return write_effects(connection, events)

    send_giant(rig, bootstrap, "order-1", 1)
    rig.send("order-2", 1)
    rig.producer.flush(10.0)
    rig.runtime(refusing)
    wait_until(lambda: rig.parked() and rig.caught_up(), rig.positions)
    assert rig.effects() == [("order-2", 1)]
    monkeypatch.setenv("STRANGLER_DSN", rig.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)

    def quarantine(*arguments: str) -> Any:
        assert main(["quarantine", *arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    (entry,) = quarantine("list")
    assert entry["reason"] == "larger than an order can be"
    shown = quarantine("inspect", entry["place"])["payload"]
    assert shown.endswith(f"... ({GIANT} bytes)")
    assert len(shown) < 10_000
