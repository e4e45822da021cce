"""An event is dropped as a repeat only if the log holds its original; what no source of ours explains stops."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from outbox.consumer import Disposition, InParallel, Metric
from outbox.consumer.partitions.lineage import accept
from outbox.consumer.partitions.moving import lanes_of, move
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.codec import to_headers
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition
from outbox.told import Told
from tests.integration.consumer_faults import TOPIC
from tests.integration.consumer_rig import QUICK, Rig, connect_to, write_effects
from tests.support.kafka.memory import MemoryBroker
from tests.support.logs import lines_of
from tests.support.waiting import wait_until

OURS, THEIRS = "7401538021532815401/shop", "7401538021532815402/shop"
SETTINGS = replace(QUICK, broken_s=0.2)
DUPLICATE, BROKEN = Disposition.DUPLICATE.value, Metric.SOURCE_BROKEN.value
KEY = "order-0"


def send(rig: Rig, number: int, lsn: int, source: str = OURS, key: str = KEY) -> Event:
    event = Event("order", key, number, "OrderPlaced", b"{}")
    again(rig, event, lsn, source)
    return event


def again(rig: Rig, event: Event, lsn: int, source: str = OURS) -> None:
    headers = to_headers(event, SourcePosition(source, lsn, 0))
    rig.producer.send(rig.topic, event.aggregate_id.encode(), b"{}", headers)


def numbers(rig: Rig, key: str = KEY) -> list[int]:
    return [number for seen, number in rig.effects() if seen == key]


def test_events_behind_one_with_a_huge_position_are_not_lost(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    running = rig.runtime(settings=SETTINGS)
    send(rig, 1, 10)
    send(rig, 2, 1 << 60)
    send(rig, 3, 11)
    with caplog.at_level(logging.ERROR, "outbox.consumer"):
        wait_until(lambda: running.count(BROKEN) > 1, running.counts.most_common)
    assert numbers(rig) == [1, 2]  # the third waits, it is not called a repeat
    assert running.count(Metric.DISPOSITION.value, DUPLICATE) == 0
    (why,) = running.runtime.lost().values()
    assert f"@2 stands at {OURS}:B:0, not beyond {OURS}:1000000000000000:0" in why
    assert "positions accept" in why
    assert any(entry.message == "source_broken" for entry in lines_of(caplog, "outbox.consumer"))


def test_what_was_accepted_goes_on_by_itself(rig: Rig) -> None:
    running = rig.runtime(settings=SETTINGS)
    for number, lsn in ((1, 10), (2, 1 << 60), (3, 11), (4, 12)):
        send(rig, number, lsn)
    wait_until(lambda: running.count(BROKEN) > 0)
    rig.sql("UPDATE position SET source = NULL, lsn = NULL, ordinal = NULL")
    wait_until(lambda: numbers(rig) == [1, 2, 3, 4], lambda: numbers(rig))
    assert running.runtime.lost() == {}


def test_a_second_database_on_the_topic_stops_the_partition(rig: Rig) -> None:
    running = rig.runtime(settings=SETTINGS)
    for number in range(1, 4):
        send(rig, number, 100 + number)
    for number in range(4, 7):
        send(rig, number, number, THEIRS)
    wait_until(lambda: running.count(BROKEN) > 0)
    assert numbers(rig) == [1, 2, 3]
    (why,) = running.runtime.lost().values()
    assert f"@3 comes from source {THEIRS}" in why
    assert "OUTBOX_TOPIC_PREFIX" in why


@pytest.mark.parametrize("how", ["handler", "in_parallel"])
def test_a_foreign_event_is_refused_also_as_the_first_one(rig: Rig, how: str) -> None:
    """A group that has not seen its own source yet is told whose events it takes."""
    worked: list[ReceivedEvent] = []

    def work(event: ReceivedEvent) -> Disposition:
        worked.append(event)
        return Disposition.APPLIED

    handler = write_effects if how == "handler" else InParallel(work, hands=2)
    running = rig.runtime(handler, settings=SETTINGS, sources=frozenset({OURS}))
    send(rig, 1, 5, THEIRS)
    send(rig, 2, 6)
    wait_until(lambda: running.count(BROKEN) > 0)
    assert (numbers(rig), worked) == ([], [])


def test_other_partitions_go_on_while_one_is_stopped(rig: Rig) -> None:
    running = rig.runtime(settings=SETTINGS, sources=frozenset({OURS}))
    send(rig, 1, 5, THEIRS)
    wait_until(lambda: running.count(BROKEN) > 0)
    keys = [f"order-{number}" for number in range(1, 20)]
    for at, key in enumerate(keys, 10):
        send(rig, 1, at, key=key)
    stopped = {partition.partition for partition in running.runtime.lost()}
    assert len(stopped) == 1
    wait_until(lambda: len(rig.effects()) >= 5, rig.effects)


def test_databases_of_one_installation_may_follow_each_other(rig: Rig) -> None:
    running = rig.runtime(settings=SETTINGS, sources=frozenset({OURS, THEIRS}))
    send(rig, 1, 900)
    send(rig, 2, 7, THEIRS)
    send(rig, 3, 8, THEIRS)
    wait_until(lambda: numbers(rig) == [1, 2, 3], lambda: numbers(rig))
    assert running.count(BROKEN) == 0


def test_a_bare_source_name_goes_on_as_a_whole_one(rig: Rig) -> None:
    """The relay was upgraded: its last events come again under its new name, and new ones follow."""
    running = rig.runtime(settings=SETTINGS, sources=frozenset({OURS}))
    first, second = send(rig, 1, 10, "main"), send(rig, 2, 11, "main")
    again(rig, first, 10)
    again(rig, second, 11)
    send(rig, 3, 12)
    wait_until(lambda: numbers(rig) == [1, 2, 3], lambda: numbers(rig))
    wait_until(lambda: running.count(Metric.DISPOSITION.value, DUPLICATE) == 2)
    assert running.count(BROKEN) == 0


def test_repeats_are_recognised_far_from_their_originals_and_after_a_restart(rig: Rig) -> None:
    """The log is searched backwards from the repeat, in growing steps."""
    sent = [send(rig, number, number) for number in range(1, 4)]
    for number in range(4, 3_000):
        send(rig, number, number)
    running = rig.runtime()
    wait_until(rig.caught_up)
    running.stop()
    for at, event in enumerate(sent, 1):
        again(rig, event, at)
    send(rig, 3_000, 3_000)
    second = rig.runtime()
    wait_until(rig.caught_up)
    assert numbers(rig) == list(range(1, 3_001))
    assert second.count(Metric.DISPOSITION.value, DUPLICATE) == 3


def test_an_original_that_the_log_has_lost_is_not_guessed(rig: Rig, broker: MemoryBroker) -> None:
    """Retention took it: nobody can tell a repeat from an event that was never seen."""
    event = send(rig, 1, 1)
    send(rig, 2, 2)
    running = rig.runtime(settings=SETTINGS)
    wait_until(rig.caught_up)
    broker.log(TopicPartition(TOPIC, partition_of(KEY.encode(), 2))).delete_before(2)
    again(rig, event, 1)
    wait_until(lambda: running.count(BROKEN) > 0)
    assert numbers(rig) == [1, 2]


def accept_all(rig: Rig) -> None:
    """As a person does it: `outbox positions accept`."""
    with connect_to(rig.dsn) as connection:
        accept(connection, TopicPartition(rig.topic, 0), Told("ann", "compared with the source"))


def test_after_an_accept_what_is_sent_again_is_known_by_the_log(rig: Rig) -> None:
    """Its position lies far beyond the lane's, or beside another count: it tells nothing."""
    running = rig.runtime(settings=SETTINGS)
    before = [send(rig, 1, 1_000), send(rig, 2, 1 << 60)]
    send(rig, 3, 11)
    wait_until(lambda: running.count(BROKEN) > 0)
    accept_all(rig)
    wait_until(lambda: numbers(rig) == [1, 2, 3], lambda: numbers(rig))
    again(rig, before[1], 1 << 60)
    again(rig, before[0], 1_000)
    send(rig, 4, 12)
    wait_until(lambda: numbers(rig)[-1] == 4, lambda: numbers(rig))
    assert numbers(rig) == [1, 2, 3, 4]
    assert running.count(Metric.DISPOSITION.value, DUPLICATE) == 2
    assert running.runtime.lost() == {}


def test_after_an_accept_the_first_to_come_may_be_sent_again_too(rig: Rig) -> None:
    running = rig.runtime(settings=SETTINGS)
    first = send(rig, 1, 1_000)
    wait_until(lambda: numbers(rig) == [1], lambda: numbers(rig))
    accept_all(rig)
    again(rig, first, 1_000)
    send(rig, 2, 5)
    wait_until(lambda: numbers(rig)[-1] == 2, lambda: numbers(rig))
    assert numbers(rig) == [1, 2]
    assert running.count(Metric.DISPOSITION.value, DUPLICATE) == 1


def test_a_source_that_falls_once_more_after_an_accept_stops_the_partition(rig: Rig) -> None:
    running = rig.runtime(settings=SETTINGS)
    send(rig, 1, 1_000)
    wait_until(lambda: numbers(rig) == [1], lambda: numbers(rig))
    accept_all(rig)
    send(rig, 2, 500)
    wait_until(lambda: numbers(rig) == [1, 2], lambda: numbers(rig))
    send(rig, 3, 400)
    wait_until(lambda: bool(running.runtime.lost()))
    assert numbers(rig) == [1, 2]


def test_what_was_sent_twice_is_known_after_a_position_was_set_back(rig: Rig) -> None:
    """What lies behind is handled again, as was asked for; what had been sent twice is not handled three times."""
    running = rig.runtime(settings=SETTINGS)
    first = send(rig, 1, 1)
    send(rig, 2, 2)
    again(rig, first, 1)
    send(rig, 3, 3)
    wait_until(lambda: numbers(rig) == [1, 2, 3], lambda: numbers(rig))
    running.stop()
    with connect_to(rig.dsn) as connection:
        (stands,) = lanes_of(connection, rig.topic, 0, None).values()
        move(connection, stands, 2, stands[0].incarnation, Told("ann", "the third was mended"))
    second = rig.runtime(settings=SETTINGS)
    wait_until(lambda: numbers(rig)[3:] != [] and rig.caught_up(), lambda: numbers(rig))
    assert numbers(rig) == [1, 2, 3, 3]
    assert second.count(Metric.DISPOSITION.value, DUPLICATE) == 1
