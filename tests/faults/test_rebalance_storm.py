"""Members that join and leave without rest: every event is applied once, in its key's order, by whoever holds it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from outbox.consumer import Metric
from outbox.kafka.port import GroupTiming
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig, Running
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.waiting import wait_until

TIMING = GroupTiming(session_s=6.0, heartbeat_s=0.3)
CHANGES = 8
SETTINGS = replace(QUICK, grace_s=0.1, drain_s=2.0, transaction_idle_s=2.0)


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, timing=TIMING) as rig:
        yield rig


def send(rig: Rig, number: int) -> None:
    """The next event of each key."""
    for key in range(10):
        rig.send(f"order-{key}", number)
    rig.producer.flush(WITHIN_S)


def test_members_that_join_and_leave_without_rest_lose_and_double_nothing(rig: Rig, rng: random.Random) -> None:
    members: list[Running] = [rig.runtime(settings=SETTINGS)]
    everybody = list(members)
    for number in range(1, CHANGES + 1):
        joined = rig.runtime(settings=SETTINGS)
        members.append(joined)
        everybody.append(joined)
        send(rig, number)
        if number % 2 or rng.random() < 0.5:
            wait_until(lambda joined=joined: joined.count(Metric.ASSIGNED) > 0, lambda: [m.counts for m in members])  # type: ignore[misc] # bound at once
        leaver = members.pop(rng.randrange(len(members)))
        leaver.stop()
    send(rig, CHANGES + 1)
    wait_until(rig.all_applied, lambda: (len(rig.effects()), [member.counts for member in members]))
    wait_until(rig.caught_up, rig.positions)
    assert [member.error for member in everybody] == [None] * len(everybody)
    assert sum(member.count(Metric.REVOKED) for member in everybody) >= CHANGES / 2
    rig.assert_once_and_in_order()
