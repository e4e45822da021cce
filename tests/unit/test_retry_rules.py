"""Retries by the numbers: credits are earned and age, a breaker rests and probes alone, a pace stays below the wall."""

from __future__ import annotations

import random

import psycopg
import pytest

from outbox.consumer.retry.adaptive_rate import AdaptiveRateLimit
from outbox.consumer.retry.breaker import Breaker, BreakerRule, State
from outbox.consumer.retry.credits import BudgetRule, Credits
from outbox.consumer.retry.rule import Overloaded, Trouble, classify, delay_s, puts_off
from outbox.consumer.settings import RuntimeSettings
from outbox.errors import ConfigurationError
from outbox.policy import Retry

BUDGET = BudgetRule(ratio=0.1, floor_per_s=1.0, ttl_s=10.0)
BREAKER = BreakerRule(window_s=10, least=5, ratio=0.5, rest_s=1.0, rest_cap_s=4.0)


def test_a_hundred_deliveries_earn_ten_retries_beside_the_floor() -> None:
    account = Credits.opened(1000.0, BUDGET)
    account, granted = account.lease(100)
    assert granted == 5, "half a lifetime of the floor to begin with"
    account, granted = account.settle(BUDGET, delivered=100, failed=0).lease(100)
    assert granted == 10
    assert account.lease(1)[1] == 0


def test_credits_and_debts_are_worth_nothing_after_their_lifetime() -> None:
    rich = Credits.opened(1000.0, BUDGET).settle(BUDGET, delivered=1000, failed=0)
    assert rich.at(1005.0, BUDGET).balance == 110
    assert rich.at(1010.0, BUDGET).balance == 5
    poor = Credits.opened(1000.0, BUDGET).settle(BUDGET, delivered=0, failed=1000)
    assert poor.at(1004.0, BUDGET).lease(1)[1] == 0
    assert poor.at(1010.0, BUDGET).lease(100)[1] == 5


def test_a_clock_that_goes_back_earns_nothing() -> None:
    account = Credits.opened(1000.0, BUDGET)
    assert account.at(900.0, BUDGET) == account


def test_over_any_time_failures_stay_at_a_tenth_and_the_floor() -> None:
    rng, account = random.Random(3), Credits.opened(0.0, BUDGET)
    delivered = failed = 0
    for tick in range(6000):  # ten minutes of a downstream that fails all the time
        now_s = tick / 10
        account = account.at(now_s, BUDGET).settle(BUDGET, delivered=20, failed=0)
        delivered += 20
        account, granted = account.lease(rng.randrange(50))
        failed += granted
    assert 0.09 * delivered < failed <= 0.10 * delivered + 600 + 10


def test_errors_are_classified_by_their_type() -> None:
    assert classify(psycopg.errors.CheckViolation()) is Trouble.PERMANENT
    assert classify(psycopg.errors.UniqueViolation()) is Trouble.BUG
    assert classify(psycopg.errors.SerializationFailure()) is Trouble.TRANSIENT
    assert classify(psycopg.errors.TooManyConnections()) is Trouble.OVERLOAD
    assert classify(Overloaded("503", 2.0)) is Trouble.OVERLOAD
    assert classify(KeyError("x")) is Trouble.BUG
    assert classify(psycopg.ProgrammingError()) is Trouble.TRANSIENT, "of every event, not of one"


def test_three_quick_attempts_then_a_delayed_one() -> None:
    rule, rng = Retry(attempts=3, base_s=0.1, cap_s=30.0), random.Random(1)
    quick = [delay_s(rule, failed, rng, defer_s=2.0) for failed in (1, 2) for _ in range(200)]
    assert 0 <= min(quick) < 0.02
    assert 0.15 < max(quick) <= 0.2
    assert [puts_off(rule, failed) for failed in (1, 2, 3)] == [False, False, True]
    late = [delay_s(rule, 20, rng, defer_s=2.0) for _ in range(200)]
    assert min(late) >= 1.0
    assert 20 < max(late) <= 30


def test_settings_that_cannot_retry_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        RuntimeSettings(defer_s=0)
    with pytest.raises(ConfigurationError):
        BudgetRule(floor_per_s=0)


def broken() -> Breaker:
    breaker = Breaker(BREAKER, random.Random(2))
    assert [breaker.failed(100.0) for _ in range(5)] == [False, False, False, False, True]
    return breaker


def test_a_breaker_opens_on_the_ratio_of_failures_and_not_on_their_number() -> None:
    breaker = Breaker(BREAKER, random.Random(2))
    for _ in range(20):
        breaker.succeeded(100.0)
    for _ in range(9):
        assert not breaker.failed(101.0)
        assert not breaker.failed(101.0)
        breaker.succeeded(101.0)
    assert not any(breaker.failed(101.0) for _ in range(9))
    assert breaker.failed(101.0), "ten in a row"
    assert breaker.admit(101.0) > 0


def test_an_open_breaker_rests_then_lets_one_probe_through() -> None:
    breaker = broken()
    rest_s = breaker.admit(100.0)
    assert 0.5 <= rest_s <= 1.0
    assert breaker.admit(101.0) == 0
    assert str(breaker.state) == State.HALF_OPEN
    assert breaker.admit(101.0) > 0, "the second one waits for the first one's result"
    breaker.unused()
    assert breaker.admit(101.0) == 0, "a probe without work is handed on"
    assert breaker.failed(101.5)
    assert breaker.admit(101.5) > 1.0, "twice as long after each probe that fails"
    assert breaker.admit(104.0) == 0
    assert breaker.succeeded(104.0)
    assert str(breaker.state) == State.CLOSED
    assert breaker.admit(104.0) == 0


def test_old_failures_do_not_open_it() -> None:
    breaker = Breaker(BREAKER, random.Random(2))
    assert not any(breaker.failed(100.0 + 11 * number) for number in range(20))


def test_patience_that_was_asked_for_is_given() -> None:
    breaker = Breaker(BREAKER, random.Random(2))
    assert not breaker.overloaded(100.0, 7.0), "one answer opens nothing"
    assert breaker.admit(106.9) > 0
    assert breaker.admit(107.8) == 0
    breaker.overloaded(200.0, None)
    assert breaker.admit(200.9) > 0


def test_paces_share_a_saturated_downstream_and_waste_little() -> None:
    """Four instances that know nothing of each other, and one that can do a thousand a second."""
    paces, rests, rng = [AdaptiveRateLimit() for _ in range(4)], [0.0] * 4, random.Random(4)
    now, taken, refused, capacity, tokens = 0.0, 0, 0, 1000.0, 500.0
    while now < 30.0:
        now += 0.002
        tokens = min(capacity / 2, tokens + capacity * 0.002)
        for index in rng.sample(range(4), 4):
            pace = paces[index]
            if now < rests[index] or pace.wait_s(now):
                continue
            events = min(64, pace.run_limit() or 64)
            pace.started(now, events)
            if tokens >= events:
                tokens, taken = tokens - events, taken + events
                pace.succeeded(now, events)
            else:
                refused, rests[index] = refused + events, now + (events - tokens) / capacity
                pace.overloaded(now)
    assert taken >= 0.95 * capacity * 30
    assert refused <= 0.08 * taken


def test_a_pace_begins_low_after_an_outage_and_is_forgotten_when_nothing_asks_for_it() -> None:
    pace, now = AdaptiveRateLimit(), 0.0
    pace.begin(now)
    assert pace.run_limit() == 1
    pace.started(now, 1)
    assert pace.wait_s(now) == pytest.approx(0.1)
    while pace.run_limit() is not None:
        now += 0.1
        pace.started(now, 1)
        pace.succeeded(now, 1)
    assert 5 < now < 10
    assert pace.wait_s(now) == 0
