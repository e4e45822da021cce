"""Who may write positions, and when a partition stands still: fences, zombies, lost logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from outbox.consumer import Metric
from outbox.errors import ConfigurationError
from outbox.kafka.port import TopicPartition
from tests.integration.consumer_faults import TOPIC, Halt
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig
from tests.support.kafka.memory import MemoryBroker, MemoryConsumer
from tests.support.waiting import wait_until


def test_two_members_share_and_hand_over_without_loss_or_double(rig: Rig) -> None:
    rig.send_many(keys=10, each=5)
    first = rig.runtime()
    second = rig.runtime()
    rig.send_many(keys=10, each=5)
    wait_until(lambda: second.count(Metric.ASSIGNED) > 0)
    first.stop()
    rig.send_many(keys=10, each=5)
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()


@pytest.mark.parametrize("name", ["consumer.handled", "consumer.positioned"])
def test_a_zombie_with_an_open_transaction_changes_nothing_any_more(rig: Rig, broker: MemoryBroker, name: str) -> None:
    halt = Halt(name)
    rig.send("order-1", 1)
    zombie = rig.runtime(fault_points=halt)
    assert halt.reached.wait(WITHIN_S)
    holds_the_row = name == "consumer.positioned"
    assert isinstance(zombie.consumer, MemoryConsumer)
    broker.evict(zombie.consumer)
    heir = rig.runtime()
    if holds_the_row:
        # Its commit could still come: the takeover waits for it, and PostgreSQL ends a transaction that stays idle.
        rig.sql(TERMINATE_IDLE_IN_TRANSACTION)
    wait_until(rig.all_applied, rig.effects)
    halt.released.set()
    rig.send("order-1", 2)
    rig.send("order-2", 1)
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    zombie.stop()
    heir.stop()
    assert (zombie.error, heir.error) == (None, None)
    rig.assert_once_and_in_order()


TERMINATE_IDLE_IN_TRANSACTION = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'consumer-under-test' AND state = 'idle in transaction'"""


def test_a_stopped_transaction_is_ended_by_the_server(rig: Rig, broker: MemoryBroker) -> None:
    halt = Halt("consumer.positioned")
    rig.send("order-1", 1)
    zombie = rig.runtime(fault_points=halt, settings=replace(QUICK, transaction_idle_s=0.3))
    assert halt.reached.wait(WITHIN_S)
    assert isinstance(zombie.consumer, MemoryConsumer)
    broker.evict(zombie.consumer)
    rig.runtime()
    wait_until(rig.all_applied, rig.effects)
    halt.released.set()
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()


def test_the_database_may_go_away(rig: Rig) -> None:
    running = rig.runtime()
    for _ in range(5):
        rig.send_many(keys=5, each=1)
        rig.sql(TERMINATE_ALL)
        wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    assert sorted(rig.effects()) == sorted(rig.sent)
    assert running.thread.is_alive()


TERMINATE_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'consumer-under-test'"""


def _beyond_the_end(rig: Rig, broker: MemoryBroker) -> None:
    broker.log(TopicPartition(TOPIC, 0)).truncate(0)


def _before_the_start(rig: Rig, broker: MemoryBroker) -> None:
    log = broker.log(TopicPartition(TOPIC, 0))
    log.end += 10
    log.delete_before(log.end)


def _another_incarnation(rig: Rig, broker: MemoryBroker) -> None:
    rig.sql("UPDATE position SET incarnation = 'of yesterday' WHERE partition = 0")


@pytest.mark.parametrize("lose", [_beyond_the_end, _before_the_start, _another_incarnation])
def test_a_position_outside_the_log_stops_its_partition_and_no_other(
    rig: Rig, broker: MemoryBroker, lose: Callable[[Rig, MemoryBroker], None]
) -> None:
    rig.send_many(keys=8, each=2)
    first = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    first.stop()
    lose(rig, broker)
    before = rig.positions()
    again = rig.runtime()
    wait_until(lambda: again.runtime.lost() and again.count(Metric.ASSIGNED) > 0)
    rig.send_many(keys=8, each=1)
    partition_1 = rig.admin.end_offsets([TOPIC])[TopicPartition(TOPIC, 1)]
    wait_until(lambda: all(offset == partition_1 for number, _, offset in rig.positions() if number == 1))
    assert list(again.runtime.lost()) == [TopicPartition(TOPIC, 0)]
    assert [one for one in rig.positions() if one[0] == 0] == [one for one in before if one[0] == 0]
    assert again.thread.is_alive()
    again.stop()
    assert again.count(Metric.POSITION_LOST) == 1


def test_a_log_that_is_lost_under_a_reader_stops_its_partition(rig: Rig, broker: MemoryBroker) -> None:
    rig.send_many(keys=8, each=2)
    running = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    with broker.changed:
        broker.log(TopicPartition(TOPIC, 0)).truncate(0)
        broker.changed.notify_all()
    wait_until(lambda: TopicPartition(TOPIC, 0) in running.runtime.lost())
    assert running.thread.is_alive()


def test_another_number_of_lanes_is_refused_with_the_fix(rig: Rig) -> None:
    rig.send("order-1", 1)
    first = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    first.stop()
    again = rig.runtime(settings=replace(QUICK, lanes=8))
    again.ended()
    assert isinstance(again.error, ConfigurationError)
    assert "set lanes to the stored count" in str(again.error)
    assert {lane for _, lane, _ in rig.positions()} == {0, 1, 2, 3}
