"""The runtime on real PostgreSQL: what becomes of events, whatever the handler does."""

from __future__ import annotations

import gc
import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Bound, Disposition, Expiry, FloodRule, Metric, Poison, Shedding, rarely_collected
from outbox.errors import OutboxError
from outbox.event import ReceivedEvent
from outbox.kafka.port import TopicPartition
from outbox.policy import Expired
from tests.integration.consumer_faults import TOPIC, CountingConsumer, Halt, Raise
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig, write_effects
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

DISPOSITION = Metric.DISPOSITION.value


def test_a_failing_handler_is_tried_again_until_every_effect_is_there_once(rig: Rig) -> None:
    rng = random.Random(7)

    def fragile(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        dispositions = write_effects(connection, events)
        if rng.random() < 0.4:
            raise ConnectionError("the vendor does not answer")
        return dispositions

    rig.send_many(keys=8, each=8)
    running = rig.runtime(fragile)
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    running.stop()  # counts come after their commit
    rig.assert_once_and_in_order()
    assert running.count(Metric.RETRY, "ConnectionError") > 0
    assert running.count(DISPOSITION, "applied") == len(rig.sent)


def test_the_collector_is_the_processes_own(rig: Rig) -> None:
    before, seen = (gc.get_threshold(), gc.get_freeze_count()), []

    def looking(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        seen.append((gc.get_threshold(), gc.get_freeze_count()))
        return write_effects(connection, events)

    rig.send_many(keys=2, each=1)
    rig.runtime(looking)
    wait_until(rig.all_applied, rig.effects)
    assert set(seen) == {before}
    with rarely_collected():
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


@pytest.mark.parametrize("name", ["consumer.handled", "consumer.positioned", "consumer.committed"])
def test_a_connection_lost_at_any_point_leaves_every_effect_there_once(rig: Rig, name: str) -> None:
    rig.send_many(keys=6, each=6)
    rig.runtime(fault_points=Raise(name))
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    rig.assert_once_and_in_order()


def test_poison_parks_its_key_and_nothing_else(rig: Rig) -> None:
    def strict(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for index, event in enumerate(events):
            if (event.event.aggregate_id, event.event.aggregate_version) == ("order-1", 2):
                raise Poison(index, "no such customer")
        return write_effects(connection, events)

    rig.send_many(keys=6, each=4)
    running = rig.runtime(strict)
    wait_until(lambda: len(rig.parked()) == 3 and len(rig.effects()) == 21, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    assert {key for key, _ in rig.parked()} == {"order-1"}
    assert ("order-1", 1) in rig.effects()
    running.stop()
    assert running.count(DISPOSITION, "parked") == 3

    again = rig.runtime(strict)  # a new process knows the key from its rows
    rig.send("order-1", 5)
    rig.send("order-2", 5)
    wait_until(lambda: len(rig.parked()) == 4 and len(rig.effects()) == 22, rig.effects)
    rig.sql("UPDATE quarantine SET resolved_at = now()")
    rig.send("order-1", 6)
    wait_until(lambda: ("order-1", 6) in rig.effects(), rig.effects)
    again.stop()


def test_bytes_that_are_no_event_are_parked_and_others_flow(rig: Rig, broker: MemoryBroker) -> None:
    broker.append(TOPIC, b"order-0", b"\xff", [("id", b"?")])
    broker.append(TOPIC, None, None)
    rig.send("order-1", 1)
    rig.runtime()
    wait_until(lambda: rig.caught_up() and rig.effects() == [("order-1", 1)], rig.positions)
    reasons = [reason for (reason,) in rig.sql("SELECT reason FROM quarantine")]
    assert len(reasons) == 2
    assert all(reason.startswith("undecodable: ") for reason in reasons)


def test_a_repeat_of_the_relay_reaches_no_handler(rig: Rig) -> None:
    rig.send_many(keys=1, each=3)
    running = rig.runtime()
    wait_until(rig.all_applied)
    for lsn in (2, 3):
        rig.send("order-0", lsn, lsn=lsn)
    rig.send("order-0", 4, lsn=4)
    wait_until(rig.caught_up, rig.positions)
    assert rig.effects() == [("order-0", number) for number in (1, 2, 3, 4)]
    running.stop()
    assert running.count(DISPOSITION, "duplicate") == 2
    rig.send("order-0", 1, lsn=1)
    again = rig.runtime()
    wait_until(lambda: rig.caught_up() and again.count(DISPOSITION, "duplicate") == 1, rig.positions)


def test_idle_lanes_pass_the_end_and_its_markers_and_then_nothing_is_written(rig: Rig, broker: MemoryBroker) -> None:
    rig.send("order-1", 1)
    for partition in range(2):
        broker.log(TopicPartition(TOPIC, partition)).mark()
    running = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    consumer = running.consumer
    assert isinstance(consumer, CountingConsumer)

    def quiet() -> bool:
        """Nothing is asked or written during some polls; before them its last commit may have been under way."""
        polls, asked = consumer.polls, rig.sql(LAST_STATEMENT)
        wait_until(lambda: consumer.polls > polls + 5)
        return rig.sql(LAST_STATEMENT) == asked

    wait_until(quiet)


LAST_STATEMENT = """
SELECT max(query_start) FROM pg_stat_activity WHERE application_name = 'consumer-under-test'"""


def test_a_restart_goes_on_where_each_lane_stood(rig: Rig) -> None:
    rig.send_many(keys=8, each=3)
    first = rig.runtime()
    wait_until(rig.all_applied)
    first.stop()
    assert first.error is None
    assert rig.caught_up(), "a clean stop leaves positions at the end"
    rig.send_many(keys=8, each=3)
    rig.runtime()
    wait_until(rig.all_applied)
    wait_until(rig.caught_up)
    assert sorted(rig.effects()) == sorted(rig.sent)


def test_stopping_waits_for_the_run_under_way(rig: Rig) -> None:
    halt = Halt("consumer.handled")
    rig.send("order-1", 1)
    running = rig.runtime(fault_points=halt)
    assert halt.reached.wait(WITHIN_S)
    running.runtime.stop()
    halt.released.set()
    running.ended()
    assert running.error is None
    assert rig.effects() == [("order-1", 1)]
    assert rig.caught_up()


def test_a_slow_handler_pauses_its_partition_within_the_bound(rig: Rig) -> None:
    released = threading.Event()

    def slow(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        assert released.wait(WITHIN_S)
        return write_effects(connection, events)

    settings = replace(QUICK, fetch_records=10, bound=Bound(records=40))
    rig.send_many(keys=20, each=20)
    running = rig.runtime(slow, settings=settings)
    wait_until(lambda: running.count(Metric.PAUSED) >= 2)
    assert max(records for records, _ in running.runtime.load().values()) < 40 + 10
    released.set()
    wait_until(rig.all_applied, rig.effects)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    assert running.count(Metric.RESUMED) >= 2
    rig.assert_once_and_in_order()


def test_a_partition_goes_on_as_soon_as_it_has_room_however_long_a_poll_waits(rig: Rig) -> None:
    rig.send_many(keys=20, each=40)
    running = rig.runtime(settings=replace(QUICK, fetch_records=10, bound=Bound(records=20), poll_s=2.0))
    wait_until(rig.all_applied, rig.effects)
    running.stop()
    assert running.count(Metric.RESUMED) >= 2
    rig.assert_once_and_in_order()


def test_the_end_of_a_thread_is_the_end_of_run(rig: Rig) -> None:
    def broken(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        raise SystemExit(0)

    rig.send("order-1", 1)
    running = rig.runtime(broken)
    running.ended()
    assert type(running.error) is OutboxError, "a process that ends so must not end with 0"
    assert "SystemExit of a handler ended the consumer" in str(running.error)


def test_a_wrong_number_of_dispositions_is_never_taken_for_done(rig: Rig) -> None:
    def forgetful(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        return []

    rig.send("order-1", 1)
    running = rig.runtime(forgetful)
    wait_until(lambda: len(rig.parked()) == 1, rig.parked)
    assert running.count(Metric.RETRY, "ValueError") > 1
    assert running.count(DISPOSITION, "applied") == 0


def test_late_work_is_dropped_before_the_handler_by_its_clause(rig: Rig) -> None:
    rig.send("order-1", 1, deadline=1_000_000_000)
    rig.send("order-1", 2)
    rig.send("order-2", 1, deadline=1_000_000_000)
    expiry = Expiry(Expired.DROP, "policy:search.expired=drop")
    running = rig.runtime(expiry=expiry, shedding=Shedding(permitted=lambda: True))
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    assert rig.effects() == [("order-1", 2)]
    assert running.count(DISPOSITION, "expired") == 2
    assert running.count(Metric.EXPIRED, "policy:search.expired=drop") == 2


def test_late_work_that_is_escalated_waits_for_a_person_with_the_later_events_of_its_key(rig: Rig) -> None:
    rig.send("order-1", 1, deadline=1_000_000_000)
    rig.send("order-1", 2)
    rig.send("order-2", 1)
    rig.runtime(expiry=Expiry(Expired.ESCALATE, "policy:payment.expired=escalate"))
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 2, rig.positions)
    assert rig.effects() == [("order-2", 1)]
    reasons = [reason for (reason,) in rig.sql("SELECT reason FROM quarantine ORDER BY parked_at, 1")]
    assert any("policy:payment.expired=escalate" in reason for reason in reasons)


def test_much_poison_costs_each_event_a_second_handling_or_so(rig: Rig) -> None:
    seen: Counter[str] = Counter()

    def strict(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        seen.update(one.event.aggregate_id for one in events)
        for index, one in enumerate(events):
            if one.event.aggregate_id.endswith("7"):
                raise Poison(index, "no such customer")
        return write_effects(connection, events)

    rig.send_many(keys=400, each=1)  # one in ten is poisoned, five in each lane
    rig.runtime(strict, settings=replace(QUICK, run_records=1_000, flood=FloodRule(ratio=1.0)))
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 40, lambda: (rig.positions(), rig.parked()))
    assert len(rig.effects()) == 360
    assert seen.total() < 3 * 400
