"""Work on many keys at once: each key in order, nothing done twice while the process lives, positions exact."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from outbox.consumer import Disposition, InParallel, Metric, Poison
from outbox.event import ReceivedEvent
from tests.integration.consumer_faults import rig_in_memory
from tests.integration.consumer_rig import QUICK, WITHIN_S, Rig
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

SETTINGS = replace(QUICK, run_records=1_000)


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    with rig_in_memory(database, MemoryBroker()) as rig:
        yield rig


@dataclass
class Vendor:
    """Notes who is at work and what was done; `trouble` is raised so often for one event, on which it is at work."""

    at_once: int = 1
    trouble: dict[tuple[str, int], list[Exception]] = field(default_factory=dict)
    done: list[tuple[str, int]] = field(default_factory=list)
    busy: Counter[str] = field(default_factory=Counter)
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    enough: threading.Event = field(default_factory=threading.Event)

    def work(self, one: ReceivedEvent) -> Disposition:
        key, number = one.event.aggregate_id, one.event.aggregate_version
        with self.lock:
            self.busy[key] += 1
            assert self.busy[key] == 1, "two events of a key at once"
            self.most = max(self.most, self.busy.total())
            if self.most >= self.at_once:
                self.enough.set()
        assert self.enough.wait(WITHIN_S), f"only {self.most} at once"
        with self.lock:
            self.busy[key] -= 1
            errors = self.trouble.get((key, number))
            if errors:
                raise errors.pop(0)
            self.done.append((key, number))
        return Disposition.APPLIED

    def of(self, key: str) -> list[int]:
        return [number for seen, number in self.done if seen == key]


def test_many_keys_are_worked_on_at_once_and_each_in_order(rig: Rig) -> None:
    vendor = Vendor(at_once=30)  # of 40 keys in 2 x 4 lanes, with 3 sessions
    rig.send_many(keys=40, each=5)
    running = rig.runtime(InParallel(vendor.work, hands=40), settings=SETTINGS)
    wait_until(rig.caught_up, rig.positions)
    assert sorted(vendor.done) == sorted(rig.sent)
    assert all(vendor.of(f"order-{key}") == [1, 2, 3, 4, 5] for key in range(40))
    running.stop()  # counts come after their commit
    assert running.count(Metric.DISPOSITION.value, "applied") == 200


def test_a_failure_holds_back_its_key_alone_and_repeats_nothing_that_is_done(rig: Rig) -> None:
    failing = [ConnectionError("no answer") for _ in range(3)]
    vendor = Vendor(trouble={("order-1", 3): list(failing)})
    rig.send_many(keys=40, each=5)  # so that others share its lane, and their later work is done before it
    running = rig.runtime(InParallel(vendor.work, hands=40), settings=SETTINGS)
    wait_until(rig.caught_up, rig.positions)
    assert Counter(vendor.done) == Counter(rig.sent)
    assert vendor.of("order-1") == [1, 2, 3, 4, 5]
    running.stop()
    assert running.count(Metric.RETRY.value) >= 1


def test_poison_parks_its_key_and_the_others_go_on(rig: Rig) -> None:
    vendor = Vendor(trouble={("order-1", 2): [Poison(0, "no such customer")] * 20})
    rig.send_many(keys=6, each=4)
    running = rig.runtime(InParallel(vendor.work, hands=6), settings=SETTINGS)
    wait_until(rig.caught_up, rig.positions)
    assert vendor.of("order-1") == [1]
    assert Counter(vendor.done) == Counter(one for one in rig.sent if one[0] != "order-1" or one[1] == 1)
    assert [key for key, _ in rig.parked()] == ["order-1"] * 3
    running.stop()
    assert running.count(Metric.DISPOSITION.value, "parked") == 3


def test_what_is_under_way_at_a_stop_is_finished_and_stored(rig: Rig) -> None:
    vendor = Vendor(at_once=2)  # one key: held until the test says so
    rig.send_many(keys=1, each=3)
    running = rig.runtime(InParallel(vendor.work, hands=4), settings=SETTINGS)
    wait_until(lambda: vendor.most == 1)
    running.runtime.stop()
    vendor.enough.set()
    running.ended()
    assert running.error is None
    assert vendor.of("order-0") == [1, 2, 3]
    assert rig.caught_up()


def test_work_that_is_not_begun_stops_when_the_partition_is_revoked(rig: Rig) -> None:
    vendor = Vendor(at_once=2)
    rig.send_many(keys=1, each=3)
    running = rig.runtime(InParallel(vendor.work, hands=4), settings=replace(SETTINGS, grace_s=WITHIN_S))
    wait_until(lambda: vendor.most == 1)
    board = running.runtime._board
    closing = threading.Thread(target=board.close, args=(board.held(), WITHIN_S))
    closing.start()
    wait_until(lambda: not board.held())
    vendor.enough.set()
    closing.join(WITHIN_S)
    assert vendor.of("order-0") == [1]
    assert 1 in {offset for _, _, offset in rig.positions()}, "the event that was under way is stored"
