"""Waiting on a condition with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    check: Callable[[], bool],
    *,
    within_s: float,
    every_s: float = 0.02,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """True as soon as `check()` is; False when `within_s` have passed. Asked at the end once more."""
    deadline = clock() + within_s
    while not check():
        if clock() >= deadline:
            return False
        pause(min(every_s, max(0.0, deadline - clock())))
    return True
