"""The limit that nobody knows, and how much may come in for consumers that are behind."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest

from strangler.admission.drain import Drain
from strangler.admission.found_limit import FoundLimit
from strangler.admission.lag_rate import LagRate
from strangler.admission.slots import TICK_S, ClassSlots
from strangler.admission.work import Grant, Settled, Waits, Work
from strangler.admission.work_class import WorkClass


class Load(NamedTuple):
    """So many a second, each of which takes so long."""

    per_s: float
    takes_s: float
    deadline_s: float


def drive(limit: FoundLimit, drain: Drain, answer_s: float, *, knee: int, windows: int, now: float = 0.0) -> float:
    """All slots are always taken, and beyond the knee more of them only wait; where the clock stands after it."""
    for _ in range(windows):
        slots = limit.slots
        took_s = answer_s * max(1.0, slots / knee)
        rounds = max(1, math.ceil(max(0.26, 100 / slots * took_s) / took_s))
        for _ in range(rounds):
            for _ in range(slots):
                drain.start(now, 1.0)
            for _ in range(slots):
                drain.end(now, now + took_s, 1.0, served=True)
            now += took_s
        limit.look(now, drain, 100)
    return now


def test_it_grows_while_more_slots_bring_more_answers() -> None:
    limit = FoundLimit(100, 0.0, start=20)
    drive(limit, Drain(), 0.02, knee=60, windows=60)
    assert limit.slots > 35


def test_it_shrinks_while_more_slots_bring_no_more_answers() -> None:
    limit = FoundLimit(100, 0.0, start=60)
    drive(limit, Drain(), 0.02, knee=20, windows=120)
    assert limit.slots <= 26


def test_it_is_left_alone_while_slots_are_free() -> None:
    limit, drain, now = FoundLimit(100, 0.0, start=20), Drain(), 0.0
    for _ in range(2_000):
        drain.start(now, 1.0)
        drain.end(now, now + 0.02, 1.0, served=True)
        now += 0.02
        limit.look(now, drain, 100)
    assert limit.slots in (17, 20)


def test_answers_that_take_half_a_deadline_take_slots_away_at_once_and_give_them_back() -> None:
    limit, drain = FoundLimit(100, 0.0, start=100), Drain()
    now = drive(limit, drain, 0.4, knee=20, windows=2)
    assert limit.slots <= 30
    drive(limit, drain, 0.002, knee=1_000, windows=6, now=now)
    assert limit.slots >= 60


def test_consumers_that_are_not_behind_hold_nobody_back() -> None:
    rate = LagRate(5.0)
    assert rate.look(1.0, 0, 10) == math.inf
    assert rate.look(2.0, 0, 20) == math.inf, "they did ten in a second for there were no more"


def test_who_is_behind_the_promise_lets_in_less_than_is_done_and_who_is_before_it_more() -> None:
    rate = LagRate(5.0)
    rate.look(1.0, 3_500, 0)
    rate.look(2.0, 3_500, 500)
    assert rate.look(3.0, 3_500, 1_000) < 500
    rate = LagRate(5.0)
    rate.look(1.0, 1_000, 0)
    rate.look(2.0, 1_000, 500)
    assert 500 < rate.look(3.0, 1_000, 1_000) < 1_000


def test_lag_settles_below_the_promise_when_the_consumers_become_slower() -> None:
    rate, backlog, done, allowed, lags = LagRate(5.0), 0.0, 0.0, math.inf, list[float]()
    for second in range(1, 120):
        drain = 300.0 if 40 <= second < 70 else 500.0
        came = min(allowed, 1_000.0)
        handled = min(backlog + came, drain)
        backlog, done = backlog + came - handled, done + handled
        allowed = rate.look(float(second), round(backlog), round(done))
        if second > 20:
            lags.append(backlog / drain)
    assert max(lags) < 8.0
    assert sum(lag > 5.0 for lag in lags) / len(lags) < 0.15
    assert lags[-1] == pytest.approx(4.0, abs=0.5)


def serve(slots: ClassSlots, loads: Sequence[Load], until: float) -> Counter[int]:
    """An application with room for all of it, whatever is in flight; of each class how much was refused."""
    refused, ends, now, tick = Counter[int](), list[tuple[float, int, Grant]](), 0.0, 0.0
    following = [1.0 / one.per_s for one in loads]

    def settle(settled: Sequence[Settled]) -> None:
        for work, said in settled:
            if isinstance(said, Grant):
                heapq.heappush(ends, (now + loads[work.rank].takes_s, id(said), said))
            else:
                refused[work.rank] += 1

    while now < until:
        rank = min(range(len(loads)), key=following.__getitem__)
        now = min(following[rank], tick, ends[0][0] if ends else math.inf)
        if ends and now == ends[0][0]:
            settle(slots.release(heapq.heappop(ends)[2], now, served=True))
        elif now == tick:
            tick += TICK_S
            settle(slots.tick(now))
        else:
            following[rank] += 1.0 / loads[rank].per_s
            work = Work(rank, "ann", now + loads[rank].deadline_s)
            said = slots.admit(now, work)
            settle([] if isinstance(said, Waits) else [Settled(work, said)])
    return refused


def found(loads: Sequence[Load], start: int = 20) -> ClassSlots:
    classes = [WorkClass(f"c{rank}", one.deadline_s) for rank, one in enumerate(loads)]
    return ClassSlots(classes, FoundLimit(100, 0.0, start=start), lambda: 0.5, 0.0)


def test_answers_that_are_slow_by_their_nature_take_no_slots_away_from_an_application_with_room() -> None:
    browse, exports = Load(50, 0.02, 1.0), Load(1, 3.0, 10.0)
    slots = found([browse, exports])
    assert serve(slots, [browse, exports], 60.0) == {}
    assert slots.limit in (17, 20)


@pytest.mark.parametrize("takes_s", [3.0, 60.0])
def test_one_slow_request_in_an_idle_application_takes_no_slots_away(takes_s: float) -> None:
    slots, slow = found([alone := Load(0.1, takes_s, 1.0)]), Work(0, "ann", 1.0)
    assert isinstance(slots.admit(0.0, slow), Grant)
    assert serve(slots, [alone], 60.0) == {}
    assert slots.limit in (17, 20)


def test_a_few_downloads_among_quick_answers_that_fill_the_slots_take_none_away() -> None:
    limit, drain, now = FoundLimit(100, 0.0, start=20), Drain(), 0.0
    for _ in range(3):
        drain.start(0.0, 1.0)
    now = drive(limit, drain, 0.02, knee=1_000, windows=20)
    assert now > 2.0, "they are older than their deadline"
    assert limit.slots >= 17


def test_a_deadline_that_a_mode_shortens_counts_from_then_on() -> None:
    usual = WorkClass("checkout", 20.0)
    slots = ClassSlots([usual], FoundLimit(100, 0.0, start=20), lambda: 0.5, 0.0)
    slots.redeclare([replace(usual, deadline_s=2.0)])
    for _ in range(20):
        assert isinstance(slots.admit(0.1, Work(0, "ann", 2.1)), Grant)
    for number in range(1, 1_000):
        slots.tick(number * TICK_S)
    assert slots.limit < 15
