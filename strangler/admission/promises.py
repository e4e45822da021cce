"""A class's Retry-After: how long until its slots have served those who were promised one before, and who returns."""

from __future__ import annotations

import math
from collections.abc import Callable

SHOW_UP = 0.8  # of those who were promised, until it is known
LEARNED = 0.001  # by how much one more return, or one that failed to come, changes it
KEPT = 0.8  # of the slots that the class gets are promised: of 0.9, a fifth of the returns found none in time
LEAST_PER_S = 0.5  # below it no rate is known
LIVES_ON_FLOOR = 3.0  # a class whose rate is not so many times its floor lives on it, and can promise nothing
LONGEST_S = 20.0  # nobody knows more than that
GRACE_S = 5.0  # in which the return is still the one that was promised
MOST = 50_000  # keys that are waited for


class Promises:
    """Of one class. The ledger is a count that own grants lower: kept as a time, one promise at a rate of about 0
    would book it for minutes."""

    def __init__(self, draw: Callable[[], float], now: float) -> None:
        self._draw, self._began = draw, now
        self.owed = 0.0
        self.show_up = SHOW_UP
        self._due: dict[str, float] = {}
        self._ends: dict[int, list[str]] = {}
        self._swept = math.floor(now)

    def give(self, key: str, now: float, per_s: float, floor_per_s: float) -> int | None:
        """The whole seconds after which a slot is ready for who comes back with the key; None where it is not known.

        `per_s` slots go to the class now, `floor_per_s` whatever happens.
        """
        if now < self._due.get(key, now):  # it has not waited: it is told the same again, and owed nothing more
            return math.ceil(self._due[key] - now)
        kept_per_s = KEPT * max(per_s, floor_per_s)
        if not key or now - self._began < 1.0 or kept_per_s < LEAST_PER_S or per_s <= LIVES_ON_FLOOR * floor_per_s:
            return None
        wait_s = max(1.0, self.owed / kept_per_s)
        if wait_s > LONGEST_S or len(self._due) >= MOST:
            return None
        self.owed += self.show_up
        said_s = self._spread(wait_s)
        self._due[key] = now + said_s
        self._ends.setdefault(math.floor(now + said_s + GRACE_S), []).append(key)
        return said_s

    def _spread(self, wait_s: float) -> int:
        """So that not all come back at once; rounded at random, for whole seconds are coarse at 1 or 2."""
        spread_s = wait_s * (0.75 + 0.5 * self._draw())
        whole = math.floor(spread_s)
        return max(1, whole + (self._draw() < spread_s - whole))

    def redeem(self, key: str, now: float) -> bool:
        """Whether it comes back as it was told to, once."""
        due = self._due.get(key)
        if due is None or not due <= now <= due + GRACE_S:
            return False
        del self._due[key]
        self.show_up += LEARNED * (1.0 - self.show_up)
        return True

    def served(self, count: int) -> None:
        """So many slots went to the class."""
        self.owed = max(0.0, self.owed - KEPT * count)

    def sweep(self, now: float) -> None:
        """Forget who did not come."""
        while self._swept < math.floor(now):
            for key in self._ends.pop(self._swept, ()):
                if self._due.get(key, math.inf) + GRACE_S <= now:
                    del self._due[key]
                    self.show_up -= LEARNED * self.show_up
            self._swept += 1
