"""The one clock of the tests: it stands still until it is told to go on."""

from __future__ import annotations


class Clock:
    """Called, it says what time it is, in seconds. `sleep` lets time pass at once, and notes it in `slept`."""

    def __init__(self, now: float = 100.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
