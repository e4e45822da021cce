"""Waiting: asks until true, gives up at the deadline, asks at least once."""

from __future__ import annotations

from strangler.local.waiting import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_true_at_once_takes_no_time() -> None:
    clock = Clock()
    assert wait_until(lambda: True, within_s=0, clock=clock, pause=clock.pause)
    assert clock.now == 0


def test_true_later_is_noticed() -> None:
    clock = Clock()
    assert wait_until(lambda: clock.now >= 1, within_s=2, every_s=0.25, clock=clock, pause=clock.pause)
    assert clock.now == 1


def test_gives_up_at_the_deadline_and_not_later() -> None:
    clock = Clock()
    assert not wait_until(lambda: False, within_s=1, every_s=0.3, clock=clock, pause=clock.pause)
    assert clock.now == 1
