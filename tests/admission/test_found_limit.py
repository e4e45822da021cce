"""The limit that nobody knows, and how much may come in for consumers that are behind."""

from __future__ import annotations

import math

import pytest

from strangler.admission.drain import Drain
from strangler.admission.found_limit import FoundLimit
from strangler.admission.lag_rate import LagRate


def drive(limit: FoundLimit, drain: Drain, answer_s: float, *, knee: int, windows: int, now: float = 0.0) -> float:
    """All slots are always taken, and beyond the knee more of them only wait; where the clock stands after it."""
    for _ in range(windows):
        slots = limit.slots
        took_s = answer_s * max(1.0, slots / knee)
        rounds = max(1, math.ceil(max(0.26, 100 / slots * took_s) / took_s))
        for _ in range(rounds):
            for _ in range(slots):
                drain.start(now)
            for _ in range(slots):
                drain.end(now, now + took_s, served=True)
            now += took_s
        limit.look(now, drain)
    return now


def test_it_grows_while_more_slots_bring_more_answers() -> None:
    limit = FoundLimit(100, 1.0, 0.0, start=20)
    drive(limit, Drain(), 0.02, knee=60, windows=60)
    assert limit.slots > 35


def test_it_shrinks_while_more_slots_bring_no_more_answers() -> None:
    limit = FoundLimit(100, 1.0, 0.0, start=60)
    drive(limit, Drain(), 0.02, knee=20, windows=120)
    assert limit.slots <= 26


def test_it_is_left_alone_while_slots_are_free() -> None:
    limit, drain, now = FoundLimit(100, 1.0, 0.0, start=20), Drain(), 0.0
    for _ in range(2_000):
        drain.start(now)
        drain.end(now, now + 0.02, served=True)
        now += 0.02
        limit.look(now, drain)
    assert limit.slots in (17, 20)


def test_answers_that_take_half_a_deadline_take_slots_away_at_once_and_give_them_back() -> None:
    limit, drain = FoundLimit(100, 1.0, 0.0, start=100), Drain()
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
