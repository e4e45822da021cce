"""Retry-After: promised only where it can be kept, owed until it is, and no way past who did not ask before."""

from __future__ import annotations

import random

import pytest

from strangler.admission.promises import Promises


def promises(draw: float = 0.5) -> Promises:
    return Promises(lambda: draw, 0.0)


def test_nothing_is_promised_before_a_rate_is_known_nor_to_who_cannot_be_known_again() -> None:
    ledger = promises()
    assert ledger.give("a", 0.5, per_s=100.0, floor_per_s=0.0) is None
    assert ledger.give("a", 5.0, per_s=0.4, floor_per_s=0.0) is None
    assert ledger.give("", 5.0, per_s=100.0, floor_per_s=0.0) is None
    assert ledger.give("a", 5.0, per_s=100.0, floor_per_s=0.0) == 1


def test_a_class_that_lives_on_its_floor_promises_nothing() -> None:
    assert promises().give("a", 5.0, per_s=30.0, floor_per_s=10.0) is None


def test_a_promise_is_as_far_away_as_what_is_owed_before_it() -> None:
    ledger = promises()
    ledger.owed = 400.0
    assert ledger.give("a", 5.0, per_s=100.0, floor_per_s=0.0) in (5, 6)
    ledger.owed = 45_000.0
    assert ledger.give("b", 5.0, per_s=100.0, floor_per_s=0.0) is None


def test_who_asks_again_before_it_was_told_to_is_told_the_same_and_owed_nothing_more() -> None:
    ledger = promises()
    ledger.owed = 400.0
    said = ledger.give("a", 5.0, per_s=100.0, floor_per_s=0.0)
    owed = ledger.owed
    assert said is not None
    assert ledger.give("a", 6.5, per_s=100.0, floor_per_s=0.0) == said - 1
    assert ledger.owed == owed


def test_what_is_owed_is_a_count_that_slots_lower() -> None:
    """As a time, one promise at a rate of about 0 booked the ledger for minutes."""
    ledger = promises()
    ledger.give("a", 5.0, per_s=0.6, floor_per_s=0.0)
    ledger.served(1)
    assert ledger.owed == 0.0


def test_promises_are_spread_and_whole_seconds_are_right_on_average() -> None:
    rng = random.Random(1)
    ledger = Promises(rng.random, 0.0)
    said = []
    for number in range(4_000):
        ledger.owed = 192.0  # 2.4 s at 80 a second
        one = ledger.give(f"{number}", 5.0, per_s=100.0, floor_per_s=0.0)
        assert one is not None
        said.append(one)
    assert set(said) == {1, 2, 3}
    assert sum(said) / len(said) == pytest.approx(2.4, abs=0.05)


def test_who_comes_too_early_or_too_late_has_no_promise_and_who_never_comes_is_forgotten() -> None:
    ledger = promises()
    for key in ("early", "late", "never"):
        assert ledger.give(key, 5.0, per_s=100.0, floor_per_s=0.0) == 1
    assert not ledger.redeem("early", 5.9)
    assert ledger.redeem("early", 6.0)
    assert not ledger.redeem("late", 60.0)
    shown = ledger.show_up
    ledger.sweep(60.0)
    assert ledger._due == {}
    assert ledger.show_up < shown
