"""Towards a vendor, call by call: a probe that came to nothing is made again, a saturated one is called at a pace."""

from __future__ import annotations

import random

import pytest

from outbox.consumer import BreakerRule, RetryBudget
from strangler.step.effects import SenderSettings
from strangler.step.vendor import Answer, AnswerKind
from strangler.step.vendor_throttle import VendorThrottle
from tests.support.clock import Clock

AWAY = Answer(AnswerKind.UNKNOWN)
FULL = Answer(AnswerKind.UNKNOWN, retry_after_s=1.0)
DONE = Answer(AnswerKind.DONE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def restraint(clock: Clock) -> VendorThrottle:
    rule = BreakerRule(in_a_row=3, rest_s=1.0, rest_cap_s=1.0)
    return VendorThrottle(["mail"], RetryBudget("test"), rule, random.Random(3), clock)


def calls(restraint: VendorThrottle, most: int, answer: Answer | None) -> int:
    """What is admitted is made and answered; None: it came to nothing, the database did not answer, say."""
    admitted = restraint.admit("mail", most)
    if admitted:
        restraint.started("mail", admitted if answer else 0)
        for _ in range(admitted if answer else 0):
            restraint.answered("mail", answer or DONE, attempts=1)
    return admitted


def test_all_that_fit_are_admitted_while_the_vendor_is_well(restraint: VendorThrottle) -> None:
    assert [calls(restraint, most, DONE) for most in (8, 0, 3)] == [8, 0, 3]
    assert restraint.rest_s(0.5) == 0.5


def test_a_probe_that_came_to_nothing_is_made_again(restraint: VendorThrottle, clock: Clock) -> None:
    assert calls(restraint, 8, AWAY) == 8
    assert calls(restraint, 8, AWAY) == 0, "it rests"
    clock.now += 1.0
    assert [calls(restraint, 8, None) for _ in range(3)] == [1, 1, 1]
    assert calls(restraint, 8, DONE) == 1


def test_after_an_outage_the_pace_begins_low(restraint: VendorThrottle, clock: Clock) -> None:
    calls(restraint, 8, AWAY)
    clock.now += 1.0
    assert calls(restraint, 8, DONE) == 1
    assert calls(restraint, 8, DONE) == 1
    assert calls(restraint, 8, DONE) == 0, "the next one has its time"
    assert 0 < restraint.rest_s(0.5) < 0.2
    clock.now += restraint.rest_s(0.5)
    assert calls(restraint, 8, DONE) == 1


def test_a_vendor_that_asks_for_patience_gets_it_and_then_fewer_calls(restraint: VendorThrottle, clock: Clock) -> None:
    for _ in range(50):
        clock.now += 0.02
        calls(restraint, 1, DONE)
    calls(restraint, 1, FULL)
    for _ in range(9):
        clock.now += 0.1
        assert calls(restraint, 8, DONE) == 0, "not before its time"
    clock.now += 0.3
    made = 0
    for _ in range(30):
        clock.now += 0.01
        made += calls(restraint, 8, DONE)
    assert 8 <= made <= 30, "near the fifty a second of before, not eight at a time"


@pytest.mark.parametrize(("asked_s", "kept_s"), [(3600.0, 3600.0), (1e6, 86_400.0)])
def test_patience_of_an_hour_is_given_and_of_more_than_a_day_is_not(
    clock: Clock, asked_s: float, kept_s: float
) -> None:
    restraint = VendorThrottle(["mail"], RetryBudget("test"), SenderSettings().breaker, random.Random(3), clock)
    calls(restraint, 1, Answer(AnswerKind.UNKNOWN, retry_after_s=asked_s))
    clock.now += kept_s - 1
    assert calls(restraint, 8, DONE) == 0, "not before its time"
    clock.now += 0.1 * kept_s + 1
    assert calls(restraint, 8, DONE) > 0
