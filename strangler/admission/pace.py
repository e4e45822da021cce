"""How fast a class may let work in, for as long as somebody knows."""

from __future__ import annotations

import math

AT_ONCE_S = 0.5  # so many seconds' worth, after a while in which less came
LEAST_AT_ONCE = 2.0
MOST_OWED_S = 1.0  # so many seconds' worth are owed, where work came in that was not asked


class Pace:
    """No limit, until it is set."""

    def __init__(self) -> None:
        self._per_s, self._until = math.inf, -math.inf
        self._has, self._at = 0.0, 0.0

    def set(self, per_s: float, now: float, until: float) -> None:
        """So many a second until then; who is not told anew by then knows nothing, and holds nobody back."""
        if self.holds(now):
            self._earn(now)
        else:
            self._has = 0.0
        self._per_s, self._until, self._at = per_s, until, now

    @property
    def is_set(self) -> bool:
        return self._per_s < math.inf

    def allows(self, now: float, count: float) -> bool:
        if not self.holds(now):
            return True
        self._earn(now)
        return self._has >= count

    def took_one(self, now: float) -> None:
        if self.is_set and self.holds(now):
            self._earn(now)
            self._has = max(-MOST_OWED_S * self._per_s, self._has - 1.0)

    def holds(self, now: float) -> bool:
        """Whether somebody knows a limit now."""
        return self._per_s < math.inf and now < self._until

    def _earn(self, now: float) -> None:
        most = max(LEAST_AT_ONCE, AT_ONCE_S * self._per_s)
        self._has = min(most, self._has + (now - self._at) * self._per_s)
        self._at = now
