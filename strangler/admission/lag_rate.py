"""How much work may be let in for consumers that are behind, so that the last of it is still done as promised."""

from __future__ import annotations

import math

AIM = 0.8  # of the promise
GAIN_PER_S = 0.3  # of the rate for each second between the aim and where it stands
OVER_S = 2.0  # how far back the rate of the consumers is remembered: a shorter look only reads its noise
FREE = 0.1  # of the promise: who is no further behind is not held back


class LagRate:
    """Asked about once a second. By the backlog, not by the age of the oldest: that one swings, for it tells of what
    was let in a promise ago."""

    def __init__(self, promise_s: float, now: float) -> None:
        self._promise_s = promise_s
        self._per_s = 0.0
        self._at, self._backlog, self._done = now, 0, 0

    def look(self, now: float, backlog: int, done: int) -> float:
        """Events a second that may come in: `backlog` of them wait, `done` have been handled since ever.

        Consumers that had nothing to do tell nothing of what they could have done, so they do not count as slow.
        """
        seconds = now - self._at
        if seconds > 0:
            if self._backlog:
                per_s = (done - self._done) / seconds
                self._per_s += (per_s - self._per_s) * (-math.expm1(-seconds / OVER_S) if self._per_s else 1.0)
            self._at, self._backlog, self._done = now, backlog, done
        if not backlog or not self._per_s:
            return math.inf
        behind_s = backlog / self._per_s
        if behind_s <= FREE * self._promise_s:
            return math.inf
        return max(0.0, self._per_s * (1 + GAIN_PER_S * (AIM * self._promise_s - behind_s)))
