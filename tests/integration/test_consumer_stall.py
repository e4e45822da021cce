"""A partition that the client silently stopped fetching: seen, proved and healed, with nothing lost or doubled."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Bound, Disposition, Metric, Patience
from outbox.event import ReceivedEvent
from outbox.kafka.port import TopicPartition
from tests.integration.consumer_faults import TOPIC
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig, Running, write_effects
from tests.support.kafka.memory import MemoryConsumer, Thaw
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

SETTINGS = replace(QUICK, patience=Patience(probe_s=0.5, stall_s=1.5, cap_s=3.0))
PARTITIONS = [TopicPartition(TOPIC, number) for number in range(2)]


def freeze(running: Running, until: Thaw) -> None:
    assert isinstance(running.consumer, MemoryConsumer)
    running.consumer.freeze(PARTITIONS[0], until)


@pytest.mark.parametrize(("until", "remedies"), [(Thaw.SEEK, ["reseek"]), (Thaw.REJOIN, ["reseek", "rejoin"])])
def test_a_frozen_partition_is_healed_by_the_gentlest_remedy_that_helps(
    rig: Rig, until: Thaw, remedies: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    running = rig.runtime(settings=SETTINGS)
    rig.send_many(keys=8, each=2)
    wait_until(rig.all_applied, rig.effects)
    freeze(running, until)
    with caplog.at_level(logging.ERROR, "outbox.consumer"):
        for _ in range(3):
            rig.send_many(keys=8, each=2)
        wait_until(rig.all_applied, lambda: (len(rig.effects()), running.counts))
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()
    evidence = [record for record in lines_of(caplog, "outbox.consumer") if record.getMessage() == "partition_stalled"]
    assert [vars(record)["remedy"] for record in evidence] == remedies
    assert all(vars(record)["log_end"] > vars(record)["position"] for record in evidence)
    assert [label for (name, label), _ in running.counts.items() if name == Metric.STALLED] == remedies


def test_idleness_a_full_bound_and_a_waiting_retry_raise_no_alarm(rig: Rig) -> None:
    open_at = time.monotonic() + 4 * SETTINGS.patience.stall_s
    stuck = threading.Event()

    def failing(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if time.monotonic() < open_at:
            stuck.set()
            raise ConnectionError("the vendor does not answer")
        return write_effects(connection, events)

    settings = replace(SETTINGS, bound=Bound(records=10), fetch_records=5)
    running = rig.runtime(failing, settings=settings)  # partition 1 gets nothing: idle; partition 0 fills its bound
    for number in range(1, 41):
        rig.send("order-0", number)
    assert stuck.wait(WITHIN_S)
    wait_until(rig.all_applied, lambda: running.counts)
    assert running.count(Metric.PAUSED) > 0
    assert running.count(Metric.STALLED) == 0
