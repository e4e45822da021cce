"""A pace that is learned from overload answers: a little below what the downstream takes, then carefully more. Pure."""

from __future__ import annotations

import math

LEARN_OVER_S = 2.0
BACK_OFF = 0.9
GROWTH_PER_S = 0.02
IMPATIENT_AFTER_S = 5.0
SHORTEST_S = 0.05
FORGET_FACTOR = 100.0


class Pace:
    """Events per second, without a limit until the first overload answer. Not thread-safe: the caller holds a lock.

    An answer takes a tenth off what lately went well; each second without one adds 2 percent, more and more of them
    when none comes for long, until the limit is forgotten. So a saturated downstream is asked for about 95 percent of
    what it can do, and few attempts are wasted on finding out.
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self._learned = self._overloaded_at = self._grown_at = self._next_at = 0.0
        self._since: float | None = None  # when the first run went well
        self._window, self._now, self._before = 0, 0, 0

    def wait_s(self, now: float) -> float:
        """Seconds until the next run may start."""
        return 0.0 if self.rate is None else max(0.0, self._next_at - now)

    def started(self, now: float, events: int) -> None:
        if self.rate is not None:
            self._grow(now)
        if self.rate is not None:
            self._next_at = max(self._next_at, now) + events / self.rate

    def succeeded(self, now: float, events: int) -> None:
        self._turn(now)
        self._since = now if self._since is None else self._since
        self._now += events

    def overloaded(self, now: float) -> None:
        """Runs under way together are answered together: they count once."""
        if self.rate is not None and now - self._overloaded_at < LEARN_OVER_S / 4:
            return
        self._turn(now)
        share = now / LEARN_OVER_S - self._window
        seen_s = min(LEARN_OVER_S * (1 + share), now - (now if self._since is None else self._since))
        lately = (self._now + self._before) / max(SHORTEST_S, seen_s)
        known = lately if self.rate is None else max(lately, self.rate)
        self.rate = self._learned = max(1.0, BACK_OFF * known)
        self._overloaded_at = self._grown_at = now

    def _grow(self, now: float) -> None:
        rate = self.rate or 0.0
        calm_s = (now - self._overloaded_at) / IMPATIENT_AFTER_S
        rate *= math.exp(min(50.0, GROWTH_PER_S * (1 + calm_s**2) * (now - self._grown_at)))
        self._grown_at = now
        self.rate = rate if rate < FORGET_FACTOR * self._learned else None

    def _turn(self, now: float) -> None:
        window = int(now // LEARN_OVER_S)
        if window != self._window:
            self._before = self._now if window == self._window + 1 else 0
            self._now, self._window = 0, window
