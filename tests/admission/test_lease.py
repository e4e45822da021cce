"""Workers share slots by what each has written: together they never hold more, and a dead one's part comes back."""

from __future__ import annotations

import random

import pytest

from strangler.admission.lease import EVERY_S, EXPIRES_S, GIVEN_UP_S, Lease, SlotPart, parts
from tests.admission.scenarios import SCENARIOS


def exchange(lease: Lease, now: float, *others: SlotPart, in_flight: int = 0, demand: float = 50.0) -> SlotPart:
    found = lease.exchange(now, others, in_flight, demand)
    lease.written(found)
    return found.held


def other(slots: int, demand: float = 50.0, worker: str = "b") -> SlotPart:
    return SlotPart(worker, slots, demand)


@pytest.mark.parametrize("seed", range(5))
def test_parts_are_all_of_the_slots_and_one_each_where_there_are_so_many(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(1_000):
        total, count = draw.randint(1, 100), draw.randint(1, 12)
        found = parts(total, {f"w{one}": draw.choice((0.0, draw.random() * 200)) for one in range(count)})
        assert sum(found.values()) == total
        assert total < count or min(found.values()) >= 1


def test_who_asks_for_little_has_that_and_the_others_share_evenly() -> None:
    assert parts(20, {"a": 2.0, "b": 50.0, "c": 50.0}) == {"a": 2, "b": 9, "c": 9}
    assert parts(20, {"a": 0.0, "b": 0.0}) == {"a": 10, "b": 10}


def test_alone_it_has_them_all() -> None:
    lease = Lease("a", 20, 1)
    assert lease.limit(0.0) == 0
    assert exchange(lease, 0.0) == SlotPart("a", 20, 50.0)
    assert lease.limit(0.1) == 20


def test_with_fewer_slots_than_workers_each_has_one_and_the_excess_is_told() -> None:
    last = Lease("c", 2, 1)
    exchange = last.exchange(0.0, [SlotPart("a", 1, 5.0), SlotPart("b", 1, 5.0)], 0, 5.0)
    assert (exchange.limit, exchange.held.slots, exchange.excess) == (1, 1, 1)
    last.written(exchange)
    assert last.limit(0.1) == 1


def test_it_is_lowered_at_once_and_given_away_when_no_more_is_in_use() -> None:
    lease = Lease("a", 20, 2)
    exchange(lease, 0.0)
    assert exchange(lease, 0.5, other(0), in_flight=20).slots == 20
    assert lease.limit(0.5) == 10
    assert exchange(lease, 1.0, other(0), in_flight=13).slots == 13
    assert exchange(lease, 1.5, other(7), in_flight=4).slots == 10


def test_it_is_raised_only_by_what_nobody_holds_and_once_it_is_written() -> None:
    lease = Lease("b", 20, 2)
    assert exchange(lease, 0.0, other(20, worker="a")).slots == 0
    found = lease.exchange(0.5, [other(13, worker="a")], 0, 50.0)
    assert (found.held.slots, lease.limit(0.5)) == (7, 0)
    lease.written(found)
    assert lease.limit(0.5) == 7


def test_without_an_exchange_it_keeps_to_an_even_part_before_the_others_take_it() -> None:
    lease = Lease("a", 20, 1)
    exchange(lease, 0.0, other(0), other(0, worker="c"), demand=50.0)
    exchange(lease, 0.5, other(1, 1.0), other(1, 1.0, worker="c"))
    assert lease.limit(0.5 + GIVEN_UP_S - 0.01) == 18
    assert lease.limit(0.5 + GIVEN_UP_S) == 6
    assert GIVEN_UP_S < EXPIRES_S


def test_who_never_reached_the_others_has_the_even_part_of_its_own_facade() -> None:
    lease = Lease("a", 20, 4)
    lease.failed()
    assert lease.limit(0.0) == 5


def test_a_lower_total_is_told_until_it_is_kept() -> None:
    lease = Lease("a", 10, 2)
    assert lease.exchange(0.0, [other(15)], 0, 50.0).excess == 5
    assert lease.exchange(0.5, [other(6)], 0, 50.0).excess == 0


@pytest.mark.parametrize("name", ["workers_4_skewed", "worker_dies"])
def test_several_workers_never_pass_the_slots_together(name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario.broken(scenario.run(2, 14), but=("goodput",)) == []


def test_who_cannot_reach_the_table_passes_nothing_together_with_others_who_cannot() -> None:
    leases = [Lease(f"w{number}", 20, 2) for number in range(4)]
    rows: dict[str, SlotPart] = {}
    for step in range(20):
        for number, lease in enumerate(leases):
            others = [row for name, row in rows.items() if name != f"w{number}"]
            rows[f"w{number}"] = exchange(lease, step * EVERY_S, *others, demand=10.0 * number)
    ended = 19 * EVERY_S
    assert sum(lease.limit(ended) for lease in leases) == 20
    assert sum(lease.limit(ended + 60.0) for lease in leases) <= 20
