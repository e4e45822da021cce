"""The runtime on the Kafka under test: groups, heartbeats under load, transaction markers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from kafka import KafkaProducer

from outbox.connection import PsycopgConnection
from outbox.consumer import Bound, Disposition, Metric, Patience
from outbox.event import ReceivedEvent
from outbox.kafka.port import GroupMember, TopicPartition
from outbox.kafka.python_network import Network
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig, write_effects
from tests.integration.kafka_rig import TIMING, rig_on_kafka
from tests.support.forgetting import never_fetched_again, paused_behind_our_back
from tests.support.waiting import wait_until


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix) as rig:
        yield rig


def test_members_come_and_go_without_loss_or_double(rig: Rig) -> None:
    first = rig.runtime()
    rig.send_many(keys=10, each=3)
    second = rig.runtime()
    rig.send_many(keys=10, each=3)
    wait_until(lambda: second.count(Metric.ASSIGNED) > 0, lambda: (first.counts, second.counts))
    rig.send_many(keys=10, each=3)
    first.stop()
    rig.send_many(keys=10, each=3)
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    second.stop()
    assert (first.error, second.error) == (None, None)
    rig.assert_once_and_in_order()


def test_a_slow_handler_pauses_partitions_and_keeps_its_membership(rig: Rig) -> None:
    released = threading.Event()

    def slow(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        assert released.wait(3 * WITHIN_S)
        return write_effects(connection, events)

    settings = replace(QUICK, fetch_records=10, bound=Bound(records=20), transaction_idle_s=3 * WITHIN_S)
    rig.send_many(keys=20, each=20)
    running = rig.runtime(slow, settings=settings)
    wait_until(lambda: running.count(Metric.PAUSED) == 4, lambda: running.counts)
    beyond_the_session = time.monotonic() + TIMING.session_s + 1.0
    wait_until(lambda: time.monotonic() > beyond_the_session)
    assert max(records for records, _ in running.runtime.load().values()) < 20 + 10
    assert running.count(Metric.REVOKED) == 0
    released.set()
    wait_until(rig.all_applied, lambda: len(rig.effects()))
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()


def test_idle_lanes_pass_the_markers_of_transactions(rig: Rig, bootstrap: str) -> None:
    rig.send_many(keys=4, each=1)
    writer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=rig.group, acks="all", kafka_client=Network)
    writer.init_transactions()
    for committed in (True, False):
        writer.begin_transaction()
        for partition in range(4):
            writer.send(rig.topic, b"", partition=partition)
        writer.flush()
        _ = writer.commit_transaction() if committed else writer.abort_transaction()
    writer.close()
    rig.runtime()
    wait_until(rig.caught_up, lambda: (rig.positions(), rig.admin.end_offsets([rig.topic])))
    assert sorted(rig.effects()) == sorted(rig.sent)


@pytest.mark.parametrize("fault", [paused_behind_our_back, never_fetched_again])
def test_a_partition_the_client_forgot_is_healed(
    rig: Rig, fault: Callable[[GroupMember, TopicPartition], None]
) -> None:
    running = rig.runtime(settings=replace(QUICK, patience=Patience(probe_s=0.5, stall_s=2.0)))
    rig.send_many(keys=10, each=2)
    wait_until(rig.all_applied, rig.effects)
    fault(running.consumer, TopicPartition(rig.topic, 2))
    a_fetch_later = time.monotonic() + 0.5  # one under way would still bring records
    wait_until(lambda: time.monotonic() > a_fetch_later)
    rig.send_many(keys=10, each=2)
    wait_until(rig.all_applied, lambda: (len(rig.effects()), running.counts))
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    remedies = ["reseek"] if fault is paused_behind_our_back else ["reseek", "rejoin"]
    assert [label for name, label in running.counts if name == Metric.STALLED] == remedies
