"""A flood of poison on real PostgreSQL: it stops what carries it, says so, and does not drain into quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, FloodRule, Metric, Poison
from outbox.consumer.retry.flood import Flooded, FloodGuard
from outbox.consumer.retry.rule import Clause
from outbox.errors import ConfigurationError
from outbox.event import ReceivedEvent
from outbox.kafka.port import TopicPartition
from tests.integration.consumer_faults import rig_in_memory
from tests.integration.consumer_rig import QUICK, Rig, write_effects
from tests.support.clock import Clock
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

HOME = TopicPartition("order", 0)
RULE = FloodRule(ratio=0.2, consecutive=5, window_s=60.0, pause_s=2.0, calm=10)


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    with rig_in_memory(database, MemoryBroker(), partitions=1) as rig:
        yield rig


def test_a_flood_stops_its_lanes_and_not_the_healthy_ones(rig: Rig) -> None:
    """A release that refuses every second key: what is parked stays at the limit, the other keys flow."""

    def refuses_half(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for index, event in enumerate(events):
            if int(event.event.aggregate_id.partition("-")[2]) % 2:
                raise Poison(index, "unknown field")
        return write_effects(connection, events)

    for number in range(60):
        rig.send(f"order-{number}", 1)
    settings = replace(QUICK, flood=replace(RULE, pause_s=0.2))
    running = rig.runtime(refuses_half, settings=settings)
    wait_until(lambda: running.count(Metric.PUT_OFF, Clause.FLOOD_SHARE) > 5)
    assert 0 < len(rig.parked()) <= 30 * RULE.ratio
    assert running.count(Metric.FLOODED) == 1
    assert not rig.caught_up(), "nothing is passed that was not parked"
    running.stop()

    rig.runtime(settings=settings)  # mended
    wait_until(rig.caught_up, rig.positions)
    assert len(rig.effects()) + len(rig.parked()) == 60


def test_a_row_opens_it_and_calm_after_the_pause_closes_it() -> None:
    clock = Clock()
    guard = FloodGuard(RULE, clock)
    guard.admit(HOME, handled=0, poisoned=4)
    guard.admit(HOME, handled=96, poisoned=0)
    guard.admit(HOME, handled=0, poisoned=4)
    with pytest.raises(Flooded) as flooded:
        guard.admit(HOME, handled=0, poisoned=1)
    assert (flooded.value.clause, flooded.value.opened) == (Clause.FLOOD_ROW, True)
    guard.admit(TopicPartition("order", 1), handled=0, poisoned=1)
    guard.admit(HOME, handled=50, poisoned=0)
    clock.now += 2.0
    with pytest.raises(Flooded) as again:
        guard.admit(HOME, handled=10, poisoned=1)
    assert not again.value.opened
    clock.now += 2.0
    guard.admit(HOME, handled=9, poisoned=0)
    with pytest.raises(Flooded):
        guard.admit(HOME, handled=0, poisoned=1)
    clock.now += 2.0
    guard.admit(HOME, handled=10, poisoned=0)
    guard.admit(HOME, handled=0, poisoned=4)


def test_a_share_opens_it_only_among_enough() -> None:
    clock = Clock()
    guard = FloodGuard(RULE, clock)
    guard.admit(HOME, handled=1, poisoned=4)
    with pytest.raises(Flooded) as flooded:
        guard.admit(HOME, handled=1, poisoned=1)
    assert flooded.value.clause is Clause.FLOOD_SHARE
    calm = FloodGuard(RULE, clock)
    for _ in range(100):
        calm.admit(HOME, handled=9, poisoned=2)
    clock.now += 100
    calm.admit(HOME, handled=1, poisoned=4)


@pytest.mark.parametrize("bad", [{"ratio": 0.0}, {"ratio": 1.1}, {"consecutive": 0}, {"pause_s": 0}, {"calm": 0}])
def test_a_rule_that_says_nothing_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        FloodRule(**bad)  # type: ignore[arg-type]
