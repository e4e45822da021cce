"""Waiting for a condition, with a deadline. Time ends waits; it never makes a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the clock that several waits may share."""

    at: float
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep

    @classmethod
    def after(cls, timeout_s: float) -> Deadline:
        return cls(time.monotonic() + timeout_s)

    def wait(self, condition: Callable[[], bool]) -> bool:
        """True as soon as the condition holds; it is asked at least once, and once more at the end."""
        while not condition():
            left = self.at - self.clock()
            if left <= 0:
                return False
            self.pause(min(POLL_S, left))
        return True
