"""Where a new group begins is declared, and holds once: for all partitions that are there, and no later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outbox import Consumer
from outbox.consumer import RuntimeSettings
from outbox.errors import ConfigurationError
from tests.integration.consumer_faults import rig_in_memory
from tests.integration.consumer_rig import QUICK, Rig, Running
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

LATEST = replace(QUICK, start="latest")


@pytest.fixture(params=["memory", "kafka"])
def rig(
    request: pytest.FixtureRequest, database: str, broker: MemoryBroker, bootstrap: str, topic_prefix: str
) -> Iterator[Rig]:
    made = (
        rig_in_memory(database, broker)
        if request.param == "memory"
        else rig_on_kafka(database, bootstrap, topic_prefix, partitions=2)
    )
    with made as rig:
        yield rig


def begun(rig: Rig, settings: RuntimeSettings, group: str | None = None) -> Running:
    running = rig.runtime(settings=settings, group=group)
    wait_until(lambda: len(rig.positions()) == 2 * settings.lanes, rig.positions)
    return running


@pytest.mark.timeout(60)
def test_latest_passes_over_what_is_there_and_nothing_that_comes(rig: Rig) -> None:
    rig.send_many(keys=6, each=2)
    rig.sent.clear()
    running = begun(rig, LATEST)
    running.stop()
    rig.send("order-1", 3)  # while nobody runs: the group is not new any more
    rig.send("order-2", 3)
    rig.producer.flush(10)
    begun(rig, LATEST)
    rig.send("order-3", 3)
    wait_until(rig.all_applied, rig.effects)
    rig.assert_once_and_in_order()


@pytest.mark.timeout(60)
def test_a_time_begins_at_the_first_record_that_is_not_older(rig: Rig) -> None:
    rig.send_many(keys=6, each=1)
    rig.sent.clear()
    at = datetime.now(UTC) + timedelta(milliseconds=10)
    wait_until(lambda: time.time() > at.timestamp() + 0.01)
    rig.send("order-1", 2)
    rig.producer.flush(10)
    begun(rig, replace(QUICK, start=at))
    rig.send("order-2", 2)
    wait_until(rig.all_applied, rig.effects)
    rig.assert_once_and_in_order()


@pytest.mark.timeout(60)
def test_two_members_that_begin_together_begin_at_one_place(rig: Rig) -> None:
    rig.send_many(keys=6, each=1)
    rig.sent.clear()
    rig.runtime(settings=LATEST)
    begun(rig, LATEST)
    rig.send_many(keys=6, each=1)
    wait_until(rig.all_applied, rig.effects)
    rig.assert_once_and_in_order()


def test_a_partition_that_is_added_is_read_from_its_first_record(database: str, broker: MemoryBroker) -> None:
    with rig_in_memory(database, broker) as rig:
        rig.send_many(keys=6, each=1)
        rig.sent.clear()
        begun(rig, LATEST).stop()
        broker.extend(rig.topic, 4)
        rig.send_many(keys=12, each=1)
        rig.runtime(settings=LATEST)
        wait_until(rig.all_applied, rig.effects)
        assert sorted(rig.effects()) == sorted(rig.sent)


def test_a_topic_that_was_missing_is_read_from_its_first_record(database: str, broker: MemoryBroker) -> None:
    with rig_in_memory(database, broker) as rig:
        rig.topic = "test.later"
        running = rig.runtime(settings=LATEST)
        wait_until(lambda: running.count("consumer_topic_missing") > 0)
        with broker.changed:
            broker.create(rig.topic, 2)
            rig.send_many(keys=4, each=1)
        wait_until(rig.all_applied, rig.effects)
        rig.assert_once_and_in_order()


@pytest.mark.parametrize("start", ["newest", "", None, datetime(2026, 11, 30)])  # noqa: DTZ001 - that is the fault
def test_what_is_no_start_is_refused(start: object) -> None:
    with pytest.raises(ConfigurationError, match="start is"):
        Consumer(
            topics=["order"],
            group="g",
            handler=lambda *_: None,
            dsn="postgresql://x/y",
            bootstrap="h:1",
            start=start,  # type: ignore[arg-type] # a test's own
        )
