"""How many slots the application can really use, where nobody knows: found by using fewer of them now and then.

A limit by latency climbs far beyond the knee under load, and one by the smallest latency falls to nothing where
service times vary. What is asked here is neither: do more slots bring more answers?
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from strangler.admission.drain import Drain

SHORTEST_S, LONGEST_S, SERVED = 0.25, 2.0, 100  # a window ends when it has seen enough, and then at last
DITHER = 0.85  # every third window
WINDOWS = 6
SATURATED = 0.85  # of the slots in use: else nobody knows what one more would bring
FLAT, STEEP = 0.3, 0.55  # d ln(answers) / d ln(slots) below and above which the limit moves
LATE = 0.5  # of what its class allows: answers that take that long are soon of no use
RESTORED = 1.5  # in each window, once what made the guard act is over


class _Window(NamedTuple):
    low: bool
    seconds: float
    served: int
    slot_seconds: float


@dataclass(slots=True)
class _Seen:
    """The totals when the window began."""

    at: float
    served: int
    ended: int
    of_allowed: float
    slot_seconds: float


class FoundLimit:
    """From `start` on, between `least` and `most`. With slots to spare it stays: who knows what fewer would bring."""

    def __init__(self, most: int, now: float, *, start: int = 20, least: int = 2) -> None:
        self._least, self._most = float(min(least, most)), float(most)
        self._limit = float(min(start, most))
        self._before_guard = 0.0
        self._index = 0
        self._windows: list[_Window] = []
        self._seen = _Seen(now, 0, 0, 0.0, 0.0)

    @property
    def slots(self) -> int:
        return max(1, round(self._limit * (DITHER if self._is_low else 1.0)))

    @property
    def _is_low(self) -> bool:
        return self._index % 3 == 2

    def look(self, now: float, drain: Drain, most: int) -> int:
        """Often; the slots from now on. `most`: no more than that can be in use, whatever is found."""
        seconds = now - self._seen.at
        served = drain.served - self._seen.served
        if seconds >= SHORTEST_S and (served >= SERVED or seconds >= LONGEST_S):
            self._end_window(now, drain, seconds, most)
        return self.slots

    def _end_window(self, now: float, drain: Drain, seconds: float, most: int) -> None:
        slot_seconds = drain.slot_seconds(now)
        used = slot_seconds - self._seen.slot_seconds
        ended = drain.ended - self._seen.ended
        answered = (drain.of_allowed - self._seen.of_allowed) / ended if ended else 0.0
        if used > SATURATED * self.slots * seconds:
            self._windows.append(_Window(self._is_low, seconds, drain.served - self._seen.served, used))
        if len(self._windows) >= WINDOWS:
            self._move(elasticity(self._windows))
            self._windows.clear()
        in_flight, slots = used / seconds, min(self.slots, most)
        late = max(answered, drain.age_of_allowed(now, slots))
        self._guard(late, in_flight, full=in_flight > SATURATED * slots)
        self._index += 1
        self._seen = _Seen(now, drain.served, drain.ended, drain.of_allowed, slot_seconds)

    def _move(self, found: float | None) -> None:
        if found is None:
            return
        if found <= 0.0:
            self._set(self._limit * 0.85)
        elif found < FLAT:
            self._set(self._limit * 0.93)
        elif found > STEEP:
            self._set(self._limit * 1.1)

    def _guard(self, answered: float, in_flight: float, *, full: bool) -> None:
        """No more in flight than come back in time. With slots to spare fewer of them would make nothing quicker.

        What it took away comes back when answers are quick again, or it is not used: by elasticity alone that took
        over a minute.
        """
        if full and answered > LATE:
            self._before_guard = max(self._before_guard, self._limit)
            self._set(min(self._limit, in_flight * LATE / answered))
        elif self._before_guard and (not full or answered < LATE / 2):
            self._set(min(self._before_guard, self._limit * RESTORED))
            if self._limit >= self._before_guard:
                self._before_guard = 0.0

    def _set(self, limit: float) -> None:
        self._limit = min(self._most, max(self._least, limit))


def elasticity(windows: list[_Window]) -> float | None:
    """By how much of itself the rate of answers grows with the slots in use; None if they were too much alike."""
    sums = {
        low: [sum(part) for part in zip(*(one[1:] for one in windows if one.low is low), strict=True)]
        for low in (False, True)
    }
    if not sums[False] or not sums[True]:
        return None
    (high_s, high_served, high_used), (low_s, low_served, low_used) = sums[False], sums[True]
    slots = (high_used / high_s) / (low_used / low_s)
    if slots < 1.02 or not high_served or not low_served:
        return None
    return math.log((high_served / high_s) / (low_served / low_s)) / math.log(slots)
