"""A broker that does not answer is waited for, and counted; who wants an end of it sets a patience.

A topic that it does not have is waited for too, and said.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from outbox.consumer import Metric, RuntimeSettings
from outbox.errors import DependencyDown
from outbox.kafka.port import Record, TopicPartition
from tests.integration.consumer_faults import TOPIC, rig_in_memory
from tests.integration.consumer_rig import QUICK, Rig, Running
from tests.support.kafka.memory import MemoryBroker, MemoryConsumer
from tests.support.logs import lines_of
from tests.support.waiting import wait_until


class Deaf(MemoryConsumer):
    """Hears nothing of the broker for what is in `to`."""

    to: frozenset[str] = frozenset()

    def poll(self, timeout_s: float, max_records: int) -> Sequence[Record]:
        self._hear("poll")
        return super().poll(timeout_s, max_records)

    def log_range(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        self._hear("log_range")
        return super().log_range(partitions)

    def _hear(self, question: str) -> None:
        if question in self.to:
            raise DependencyDown("the broker is away")


@pytest.fixture
def rig(database: str, broker: MemoryBroker) -> Iterator[Rig]:
    with rig_in_memory(database, broker) as rig:
        rig.make_consumer = lambda group: Deaf(broker, group=group)
        yield rig


def at_work(rig: Rig, settings: RuntimeSettings = QUICK) -> tuple[Running, Deaf]:
    rig.send_many(keys=8, each=2)
    running = rig.runtime(settings=settings)
    wait_until(rig.caught_up, rig.positions)
    assert isinstance(running.consumer, Deaf)
    return running, running.consumer


def test_a_broker_that_is_away_is_waited_for_without_end(rig: Rig) -> None:
    assert RuntimeSettings().broker_patience_s == math.inf
    running, consumer = at_work(rig)
    consumer.to = frozenset({"poll", "log_range"})
    wait_until(lambda: running.count(Metric.UNREACHABLE) >= 3)
    consumer.to = frozenset()
    rig.send_many(keys=8, each=1)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    assert running.error is None
    rig.assert_once_and_in_order()


def test_a_patience_that_is_set_ends(rig: Rig) -> None:
    running, consumer = at_work(rig, replace(QUICK, broker_patience_s=0.6))
    consumer.to = frozenset({"poll"})
    running.ended()
    assert isinstance(running.error, DependencyDown)
    assert running.count(Metric.UNREACHABLE) > 0, "it waited first"


def test_a_broker_that_is_away_just_when_a_log_was_lost_is_asked_again(rig: Rig, broker: MemoryBroker) -> None:
    running, consumer = at_work(rig)
    consumer.to = frozenset({"log_range"})
    with broker.changed:
        broker.log(TopicPartition(TOPIC, 0)).truncate(0)
        broker.changed.notify_all()
    wait_until(lambda: running.count(Metric.UNREACHABLE) > 0, lambda: running.error)
    assert not running.runtime.lost()
    consumer.to = frozenset()
    wait_until(lambda: list(running.runtime.lost()) == [TopicPartition(TOPIC, 0)], lambda: running.error)
    assert running.thread.is_alive()


def test_a_topic_that_is_not_there_is_said_within_seconds_and_again_and_waited_for(
    rig: Rig, broker: MemoryBroker, caplog: pytest.LogCaptureFixture
) -> None:
    rig.topic = "test.ordr"
    with caplog.at_level(logging.INFO, "outbox.consumer"):
        running = rig.runtime(settings=replace(QUICK, broken_s=0.5))
        wait_until(lambda: running.count(Metric.TOPIC_MISSING, "test.ordr") >= 2, within_s=10)
        broker.create("test.ordr", 1)
        rig.send("order-0", 1)
        wait_until(rig.all_applied, rig.effects)
        wait_until(lambda: any(one.message == "topic_found" for one in lines_of(caplog, "outbox.consumer")))
    said = [one.__dict__ for one in lines_of(caplog, "outbox.consumer") if one.message == "topic_missing"]
    assert {(one["topic"], one["levelname"]) for one in said} == {("test.ordr", "ERROR")}
    assert "waiting for its topic" in said[0]["detail"]
    count = running.count(Metric.TOPIC_MISSING)
    assert count == len(said), "each is counted"
    broker.delete("test.ordr")
    wait_until(lambda: running.count(Metric.TOPIC_MISSING) > count)
