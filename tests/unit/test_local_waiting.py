"""Waiting: asks until true, gives up at the deadline, asks at least once."""

from __future__ import annotations

from strangler.local.waiting import wait_until
from tests.support.clock import Clock


def test_true_at_once_takes_no_time() -> None:
    clock = Clock(0.0)
    assert wait_until(lambda: True, within_s=0, clock=clock, pause=clock.sleep)
    assert clock.now == 0


def test_true_later_is_noticed() -> None:
    clock = Clock(0.0)
    assert wait_until(lambda: clock.now >= 1, within_s=2, every_s=0.25, clock=clock, pause=clock.sleep)
    assert clock.now == 1


def test_gives_up_at_the_deadline_and_not_later() -> None:
    clock = Clock(0.0)
    assert not wait_until(lambda: False, within_s=1, every_s=0.3, clock=clock, pause=clock.sleep)
    assert clock.now == 1
