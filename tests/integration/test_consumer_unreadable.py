"""Bytes that no record can be made of stop their partition, by name; the poll thread hears everything meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from outbox.consumer import Metric, Patience
from outbox.event import Event, SourcePosition
from outbox.kafka import compression
from outbox.kafka.codec import to_headers
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition
from tests.integration.consumer_rig import QUICK, Rig
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.kafka.compressing import CODECS, compressing
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

# A watchdog as impatient as this would take a partition that only stands for a stuck one.
SETTINGS = replace(QUICK, broken_s=2.0, patience=Patience(probe_s=0.2, stall_s=0.4))
UNREADABLE = Metric.UNREADABLE.value
BEFORE, AT = 20, 20
ONE, OTHER = (
    next(f"order-{number}" for number in range(99) if partition_of(f"order-{number}".encode(), 2) == home)
    for home in (0, 1)
)


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=2) as rig:
        yield rig


def send_compressed(rig: Rig, bootstrap: str, key: str, number: int) -> None:
    headers = to_headers(Event("order", key, number, "OrderPlaced", b"{}"), SourcePosition("test", 1_000, 0))
    with compressing(bootstrap, "zstd") as producer:
        producer.send(rig.topic, key=key.encode(), value=b"{}" + b" " * 500, headers=headers)  # else it stays plain
    rig.sent.append((key, number))


def test_a_batch_that_cannot_be_read_stops_its_partition_alone(
    rig: Rig, bootstrap: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, BEFORE + 1):
        rig.send(ONE, number)
    rig.producer.flush(30.0)
    send_compressed(rig, bootstrap, ONE, BEFORE + 1)
    rig.lsn = 1_000
    for number in range(1, 10):
        rig.send(OTHER, number)
    rig.send(ONE, BEFORE + 2)
    rig.producer.flush(30.0)
    with monkeypatch.context() as older, caplog.at_level(logging.ERROR, "outbox.consumer"):
        older.setattr(compression, "DECODERS", {1: compression.DECODERS[1]})  # as a release that knows less
        running = rig.runtime(settings=SETTINGS)
        wait_until(lambda: running.count(UNREADABLE) >= 2, lambda: (running.counts, running.error))
        wait_until(lambda: len(rig.effects()) == BEFORE + 9, rig.effects)
        wait_until(lambda: {offset for number, _, offset in rig.positions() if number == 0} == {AT}, rig.positions)
        rig.send(OTHER, 10)
        wait_until(lambda: (OTHER, 10) in rig.effects(), rig.effects)
        assert running.count(Metric.STALLED.value) == running.count(Metric.UNREACHABLE.value) == 0
        ((partition, why),) = running.runtime.lost().items()
        assert partition == TopicPartition(rig.topic, 0)
        assert (
            f"at offset {AT}: the batch of {AT} to {AT}: ValueError: it is compressed by codec {CODECS['zstd']}" in why
        )
        assert {one.message for one in lines_of(caplog, "outbox.consumer")} == {"partition_unreadable"}
        asked_at = time.monotonic()
        running.stop()
        assert time.monotonic() - asked_at < 10.0
    rig.runtime(settings=SETTINGS)
    wait_until(rig.all_applied, rig.effects)
    rig.assert_once_and_in_order()


def test_it_goes_on_by_itself_once_it_can_be_read(rig: Rig, bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    send_compressed(rig, bootstrap, ONE, 1)
    with monkeypatch.context() as older:
        older.setattr(compression, "DECODERS", {})
        running = rig.runtime(settings=replace(SETTINGS, broken_s=0.2))
        wait_until(lambda: running.count(UNREADABLE) >= 2, lambda: (running.counts, running.error))
    wait_until(rig.all_applied, rig.effects)
    assert running.runtime.lost() == {}
