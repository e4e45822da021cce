"""A breaker for what a group or a vendor depends on: opens on failures, probes alone, honours Retry-After. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from outbox.terms import check_terms


class State(StrEnum):
    """`half_open`: one attempt is under way that decides."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Opens when at least `least` attempts of about the last `window_s` failed, and `ratio` of all of them; or a row.

    `in_a_row`: so many failures without a success between them, whatever went well before.

    It rests `rest_s`, twice as long after each probe that fails, at most `rest_cap_s`. An answer that asks for
    patience without saying how much is given `overload_rest_s`; who says how much gets it, `patience_cap_s` at most.
    """

    window_s: float = 10.0
    least: int = 5
    ratio: float = 0.5
    in_a_row: int = 10
    rest_s: float = 0.5
    rest_cap_s: float = 5.0
    overload_rest_s: float = 1.0
    patience_cap_s: float = 60.0

    def __post_init__(self) -> None:
        times = ("window_s", "rest_s", "rest_cap_s", "overload_rest_s", "patience_cap_s")
        check_terms(self, above_zero=("least", "in_a_row", *times), from_zero=("ratio",), endless=("ratio",))


class Breaker:
    """Times are seconds of one monotonic clock. Not thread-safe: the caller holds a lock."""

    def __init__(self, rule: BreakerRule, rng: random.Random) -> None:
        self._rule, self._rng = rule, rng
        self.state = State.CLOSED
        self._rest_until = 0.0
        self._trips = 0
        self._window = self._row = 0
        self._now, self._before = [0, 0], [0, 0]  # attempts and failures, of this half window and of the last

    def admit(self, now: float) -> float:
        """Seconds to wait, 0 = go on. When half open only the first to ask goes on; it must come back with a result."""
        if now < self._rest_until:
            return self._rest_until - now
        match self.state:
            case State.CLOSED:
                return 0.0
            case State.OPEN:
                self.state = State.HALF_OPEN
                return 0.0
            case State.HALF_OPEN:
                return self._rule.rest_s

    def unused(self) -> None:
        """Whoever was admitted found nothing to do: the next one may probe."""
        if self.state is State.HALF_OPEN:
            self.state = State.OPEN

    def succeeded(self, now: float, attempts: int = 1) -> bool:
        """So many went well. True if this closed the breaker."""
        closed = self.state is State.HALF_OPEN
        if closed:
            self.state, self._trips = State.CLOSED, 0
            self._now, self._before = [0, 0], [0, 0]
        self._count(now, attempts, failed=0)
        self._row = 0
        return closed

    def failed(self, now: float) -> bool:
        """True if this opened the breaker."""
        self._count(now, 1, failed=1)
        attempts, failures = (sum(pair) for pair in zip(self._now, self._before, strict=True))
        self._row += 1
        tripped = failures >= self._rule.least and failures >= self._rule.ratio * attempts
        tripped = tripped or self._row >= self._rule.in_a_row
        if self.state is State.HALF_OPEN or (self.state is State.CLOSED and tripped):
            self._open(now)
            return True
        return False

    def overloaded(self, now: float, retry_after_s: float | None) -> bool:
        """A failure that asked for patience: nobody goes on before. True if this opened the breaker."""
        opened = self.failed(now)
        patience_s = self._rule.overload_rest_s if retry_after_s is None else retry_after_s
        # Never earlier than asked; a little later each, so that instances do not come back as one.
        patience_s = min(patience_s, self._rule.patience_cap_s) * self._rng.uniform(1.0, 1.1)
        self._rest_until = max(self._rest_until, now + patience_s)
        return opened

    def _open(self, now: float) -> None:
        rest_s = min(self._rule.rest_cap_s, self._rule.rest_s * 2.0 ** min(self._trips, 16))
        self.state, self._trips = State.OPEN, self._trips + 1
        self._rest_until = max(self._rest_until, now + rest_s * self._rng.uniform(0.5, 1.0))

    def _count(self, now: float, attempts: int, *, failed: int) -> None:
        window = int(now // (self._rule.window_s / 2))
        if window != self._window:
            self._before = self._now if window == self._window + 1 else [0, 0]
            self._row = self._row if window == self._window + 1 else 0
            self._now, self._window = [0, 0], window
        self._now[0] += attempts
        self._now[1] += failed
