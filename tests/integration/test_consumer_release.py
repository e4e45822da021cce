"""Out of quarantine on real PostgreSQL: a key leaves in order, once, whatever arrives, dies or is parked meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Metric, Poison
from outbox.consumer.quarantine import quarantine_admin
from outbox.consumer.quarantine.quarantine_admin import Entry
from outbox.event import ReceivedEvent
from outbox.told import Told
from tests.integration.consumer_faults import TOPIC, Halt, rig_in_memory
from tests.integration.consumer_rig import WITHIN_S, Rig, connect_to, write_effects
from tests.support.kafka.memory import MemoryBroker
from tests.support.kafka.memory_reader import MemoryReader
from tests.support.waiting import wait_until

TOLD = Told("ann", "the customer exists now")


class Picky:
    """Refuses what is in `refused`, by key and number; `payload` in place of an event's own makes it welcome."""

    def __init__(self, *refused: tuple[str, int]) -> None:
        self.refused, self.reason = set(refused), "no such customer"

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for index, event in enumerate(events):
            place = event.event.aggregate_id, event.event.aggregate_version
            if place in self.refused and event.event.payload != b"mended":
                raise Poison(index, self.reason)
        return write_effects(connection, events)


@pytest.fixture
def rig(database: str, broker: MemoryBroker) -> Iterator[Rig]:
    with rig_in_memory(database, broker) as rig:
        rig.make_reader = partial(MemoryReader, broker)
        yield rig


def head(rig: Rig) -> Entry:
    with connect_to(rig.dsn) as connection:
        return quarantine_admin.entries(connection)[0]


def ask(rig: Rig, act: Callable[[PsycopgConnection, Entry], object]) -> None:
    """A person acts on the oldest parked event."""
    entry = head(rig)
    with connect_to(rig.dsn) as connection:
        act(connection, entry)


def replay(rig: Rig) -> None:
    ask(rig, lambda connection, entry: quarantine_admin.request_replay(connection, entry, TOLD))


def test_a_replay_takes_the_key_in_order_while_its_new_events_arrive(rig: Rig) -> None:
    picky = Picky(("order-1", 2))
    rig.send_many(keys=4, each=30)
    running = rig.runtime(picky)
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 29, rig.parked)
    picky.refused.clear()
    replay(rig)
    for number in range(31, 61):  # live ones, some while it is replayed, some after
        rig.send("order-1", number)
    wait_until(rig.all_applied, rig.parked)
    wait_until(lambda: not rig.parked(), rig.parked)
    running.stop()  # counts come after their commit
    rig.assert_once_and_in_order()
    assert running.count(Metric.REPLAYED) >= 29


# Behind the look at what is open, before the row is written and after it.
WHILE_PARKING = pytest.mark.parametrize("point", ["consumer.handled", "consumer.positioned"])


@pytest.fixture
def told_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look that comes by itself comes after the test."""
    monkeypatch.setattr("outbox.consumer.quarantine.release.LOOK_AGAIN_S", 3_600.0)


def parking_its_second(rig: Rig, point: str) -> tuple[Picky, Halt]:
    """The first event of order-1 is parked, and the transaction that is to park the second waits at `point`."""
    picky, halt = Picky(("order-1", 1)), Halt(point)
    rig.send("order-1", 1)
    first = rig.runtime(picky)
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 1, rig.parked)
    first.stop()
    rig.send("order-1", 2)
    rig.runtime(picky, fault_points=halt)
    assert halt.reached.wait(WITHIN_S)
    return picky, halt


@WHILE_PARKING
@pytest.mark.usefixtures("told_only")
def test_an_event_parked_during_the_last_commit_of_a_replay_is_not_forgotten(rig: Rig, point: str) -> None:
    """It saw its key still closed; when it commits nobody is left to wait for."""
    picky, halt = parking_its_second(rig, point)
    picky.refused.clear()
    replay(rig)
    threading.Timer(0.3, halt.released.set).start()
    wait_until(rig.all_applied, rig.parked)
    wait_until(lambda: not rig.parked(), rig.parked)
    rig.assert_once_and_in_order()


@WHILE_PARKING
@pytest.mark.usefixtures("told_only")
def test_an_event_parked_while_the_one_before_it_is_discarded_is_not_forgotten(rig: Rig, point: str) -> None:
    _, halt = parking_its_second(rig, point)
    threading.Timer(0.3, halt.released.set).start()
    ask(rig, lambda connection, entry: quarantine_admin.discard(connection, entry, TOLD))
    wait_until(lambda: rig.effects() and not rig.parked(), rig.parked)
    assert rig.effects() == [("order-1", 2)]


def test_what_is_still_poison_waits_again_with_its_successors(rig: Rig) -> None:
    picky = Picky(("order-1", 1), ("order-1", 3))
    rig.send_many(keys=2, each=5)
    running = rig.runtime(picky)
    wait_until(lambda: len(rig.parked()) == 5 and rig.caught_up(), rig.parked)
    picky.refused.discard(("order-1", 1))
    replay(rig)
    wait_until(lambda: running.count(Metric.HELD_AGAIN) == 1, rig.parked)
    assert [number for key, number in rig.effects() if key == "order-1"] == [1, 2]
    assert (head(rig).reason, head(rig).state) == ("no such customer", "open")

    ask(rig, lambda connection, entry: quarantine_admin.fix(connection, entry, TOLD, value=b"mended", headers=None))
    replay(rig)
    wait_until(rig.all_applied, rig.parked)
    rig.assert_once_and_in_order()
    assert rig.sql("SELECT verb, actor, reason FROM quarantine_audit ORDER BY id") == [
        (verb, "ann", "the customer exists now") for verb in ("replay", "fix", "replay")
    ]


def test_discarding_the_first_releases_what_waited_behind_it(rig: Rig) -> None:
    rig.send_many(keys=2, each=4)
    rig.runtime(Picky(("order-1", 2)))
    wait_until(lambda: len(rig.parked()) == 3 and rig.caught_up(), rig.parked)
    ask(rig, lambda connection, entry: quarantine_admin.discard(connection, entry, TOLD))
    wait_until(lambda: not rig.parked(), rig.parked)
    assert [number for key, number in rig.effects() if key == "order-1"] == [1, 3, 4]
    assert rig.sql("SELECT resolution, count(*) FROM quarantine GROUP BY 1 ORDER BY 1") == [
        ("discarded", 1),
        ("replayed", 2),
    ]


def test_a_replay_that_dies_before_its_commit_is_done_once_by_the_next_process(rig: Rig) -> None:
    picky, halt = Picky(("order-1", 1)), Halt("replay.handled")
    rig.send_many(keys=3, each=3)
    first = rig.runtime(picky, fault_points=halt)
    wait_until(lambda: rig.caught_up() and rig.parked(), rig.parked)
    picky.refused.clear()
    replay(rig)
    assert halt.reached.wait(WITHIN_S)
    rig.sql("UPDATE position SET fence = fence + 1")  # as a new assignment does
    halt.released.set()
    wait_until(lambda: not rig.parked(), rig.parked)
    assert first.count(Metric.FENCED) == 1, "what it had done was rolled back, and the partition taken anew"
    first.stop()
    rig.assert_once_and_in_order()


def requested(rig: Rig) -> None:
    """A person asks for the replay of every key."""
    with connect_to(rig.dsn) as connection:
        for entry in quarantine_admin.entries(connection, heads=True):
            quarantine_admin.request_replay(connection, entry, TOLD)


def released_after_a_look(rig: Rig) -> bool:
    """The release has looked since: what it could let go is on its way."""
    rig.sql("SELECT pg_notify('quarantine_search', '')")
    return rig.caught_up()


@pytest.mark.parametrize("change", ["partitions added", "topic made again"])
def test_a_key_keeps_its_order_across_partitions_and_incarnations(rig: Rig, broker: MemoryBroker, change: str) -> None:
    """Its first version is parked where it lay; its second comes elsewhere, and may not pass it."""
    keys = [f"order-{number}" for number in range(12)]
    picky = Picky(*((key, 1) for key in keys))
    first = rig.runtime(picky)
    for key in keys:
        rig.send(key, 1)
    wait_until(lambda: len(rig.parked()) == len(keys), rig.parked)
    first.stop()
    if change == "partitions added":
        broker.extend(TOPIC, 8)
    else:
        broker.delete(TOPIC)
        broker.create(TOPIC, 2)
        rig.sql("DELETE FROM position")
    rig.runtime(picky)
    for key in keys:
        rig.send(key, 2)
    wait_until(lambda: len(rig.parked()) == 2 * len(keys), lambda: (rig.parked(), rig.effects()))
    looked = time.monotonic() + 1.5  # three looks of the release
    wait_until(lambda: released_after_a_look(rig) and time.monotonic() > looked)
    assert rig.effects() == []
    picky.refused.clear()
    if change == "partitions added":
        requested(rig)
        wait_until(lambda: len(rig.effects()) == 2 * len(keys), rig.effects)
        for key in keys:
            assert [number for seen, number in rig.effects() if seen == key] == [1, 2]
    else:  # the log of the first is gone: a person ends it
        rig.sql(
            "UPDATE quarantine SET resolved_at = now(), resolution = 'discarded' WHERE incarnation = 'incarnation-1'"
        )
        wait_until(lambda: released_after_a_look(rig) and len(rig.effects()) == len(keys), rig.effects)
