"""How much work may be let in for consumers that are behind, so that the last of it is still done as promised."""

from __future__ import annotations

import math
from collections import deque

AIM = 0.8  # of the promise
GAIN_PER_S = 0.3  # of the rate for each second between the aim and where it stands
OVER_S = 2.0  # how far back the rate of the consumers is remembered: a shorter look only reads its noise
FREE = 0.1  # of the promise: who is no further behind is not held back ...
FREE_S = 1.5  # ... nor who was up to date at the last look or the one before: an event is under way at any time


class LagRate:
    """Asked about once a second. By the backlog, not by the age of the oldest: that one swings, for it tells of what
    was let in a promise ago. The age says whether there is a backlog at all."""

    def __init__(self, promise_s: float) -> None:
        self._promise_s = promise_s
        self._per_s: float | None = None  # of the consumers, while they had enough to do
        self._at, self._backlog, self._done = -math.inf, 0.0, 0.0
        self._ends: deque[tuple[float, float]] = deque()  # when how many events were there; the first: done by now

    def look(self, now: float, backlog: float, done: float) -> float:
        """Events a second that may come in: `backlog` of them wait, `done` have been handled since ever.

        Consumers that had nothing to do tell nothing of what they could have done, so they do not count as slow. Of
        those who do nothing at all it is known after 0.8 of the promise.
        """
        if self._at > -math.inf and now > self._at:
            self._learn((done - self._done) / (now - self._at), now - self._at, idle=not backlog)
        self._at, self._backlog, self._done = now, backlog, done
        self._ends.append((now, backlog + done))
        while len(self._ends) > 1 and self._ends[1][1] <= done:
            self._ends.popleft()
        while self._ends[0][0] < now - 2 * self._promise_s:
            self._ends.popleft()  # older than that is all the same
        age_s = now - self._ends[0][0]
        if not backlog or age_s < max(FREE_S, FREE * self._promise_s) or self._per_s is None:
            return math.inf
        if not self._per_s:
            return 0.0 if age_s > AIM * self._promise_s else math.inf
        behind_s = backlog / self._per_s
        if behind_s <= FREE * self._promise_s:
            return math.inf
        return max(0.0, self._per_s * (1 + GAIN_PER_S * (AIM * self._promise_s - behind_s)))

    def _learn(self, per_s: float, seconds: float, *, idle: bool) -> None:
        """Of a time that began with a backlog. One that ended without was too long for it."""
        if not self._backlog or per_s < 0:  # a position was set back
            return
        if idle:
            self._per_s = max(self._per_s or 0.0, per_s)
        elif not self._per_s:
            self._per_s = per_s
        else:
            self._per_s += (per_s - self._per_s) * -math.expm1(-seconds / OVER_S)
