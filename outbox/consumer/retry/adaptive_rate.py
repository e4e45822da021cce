"""A pace that is learned from overload answers: a little below what the downstream takes, then carefully more. Pure."""

from __future__ import annotations

import math

WINDOW_S = 1.0
ANSWERED_TOGETHER_S = 0.1  # runs under way together are answered together: they count once
BACK_OFF = 0.7
GROWTH_PER_S = 0.01
IMPATIENT_AFTER_S = 5.0
FIRST = 10.0  # events per second after an outage, where less or nothing was known before it
LEAST = 1.0  # so that a pace is never stuck; not more, for several instances share a slow downstream
RUN_S = 0.05
FORGET_FACTOR = 100.0


class RateLimit:
    """Events per second, without a limit while `rate` is None. Not thread-safe: the caller holds a lock."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self._next_at = 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until the next run may start."""
        return 0.0 if self.rate is None else max(0.0, self._next_at - now)

    def run_limit(self) -> int | None:
        """The most events of a run, so that a refused one costs little; None = as usual."""
        return None if self.rate is None else max(1, int(self.rate * RUN_S))

    def started(self, now: float, events: int) -> None:
        if self.rate is not None:
            self._next_at = max(self._next_at, now) + events / self.rate


class AdaptiveRateLimit(RateLimit):
    """A rate that is set by what is answered; without a limit while nothing asks for one.

    It begins low, after an outage or the first overload answer, and doubles every second until an answer shows the
    ceiling. Each answer takes three tenths off; each second without one adds a hundredth, more and more when none comes
    for long, until the limit is forgotten. So a saturated downstream is kept busy, and few attempts are wasted.
    """

    def __init__(self) -> None:
        super().__init__()
        self._ceiling: float | None = None
        self._began = FIRST
        self._overloaded_at = -math.inf
        self._grown_at = 0.0
        self._window, self._count, self._lately = 0, 0, 0.0  # events of this window; the rate of the last busy one

    def started(self, now: float, events: int) -> None:
        if self.rate is not None:
            self._grow(now)
        super().started(now, events)

    def succeeded(self, now: float, events: int) -> None:
        window = int(now // WINDOW_S)
        if window != self._window:
            self._lately, self._count, self._window = self._count / WINDOW_S, 0, window
        self._count += events

    def begin(self, now: float) -> None:
        """The downstream is back from an outage: nobody knows what it can take."""
        self._ceiling = None
        self._set(now, max(FIRST, self._lately / 2))

    def overloaded(self, now: float) -> None:
        """It asked for patience."""
        if now - self._overloaded_at < ANSWERED_TOGETHER_S:
            return
        self._overloaded_at = now
        if self.rate is None:
            self._set(now, BACK_OFF * max(self._lately, self._count / WINDOW_S))
        else:
            self._ceiling = self.rate
            self._set(now, BACK_OFF * self.rate)

    def _set(self, now: float, rate: float) -> None:
        self.rate = self._began = max(LEAST, rate)
        self._grown_at = now

    def _grow(self, now: float) -> None:
        rate, seconds = self.rate or LEAST, now - self._grown_at
        self._grown_at = now
        if self._ceiling is None or rate < BACK_OFF * BACK_OFF * self._ceiling:
            rate *= 2.0 ** min(seconds, 16.0)
        else:
            calm_s = (now - self._overloaded_at) / IMPATIENT_AFTER_S
            rate *= math.exp(min(8.0, GROWTH_PER_S * (1 + calm_s**2) * seconds))
        self.rate = rate if rate < FORGET_FACTOR * self._began else None
