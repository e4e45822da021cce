"""A vendor's desk: draws what goes wrong, does the effect once, and says how long the answer takes."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from legacy_app.vendors.knobs import SHARES, Knobs
from legacy_app.vendors.ledger import Entry, Ledger


class Fate(StrEnum):
    """What goes wrong with a request; named after the knob that draws it. `closed`: its key was given back."""

    FINE = "fine"
    LIMITED = "limited"
    ERROR = "error_share"
    HANG = "hang_share"
    SLOW = "slow_share"
    EFFECT_THEN_SLOW = "effect_then_slow_share"
    EFFECT_THEN_TIMEOUT = "effect_then_timeout"
    DECLINED = "decline_share"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Served:
    """`entry` is None where nothing was done."""

    fate: Fate
    entry: Entry | None = None


class Book:
    """Safe across threads; nobody sleeps while holding its lock.

    `closed` says whether a key's effect must not be done any more. It is asked under `lock`, which is shared with
    the book that closes keys: the effect comes before the closing, or never.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        *,
        knobs: Knobs | None = None,
        lock: threading.Lock | None = None,
        closed: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._ledger, self._clock, self._sleep, self._closed = ledger, clock, sleep, closed
        self._lock = lock or threading.Lock()
        self._knobs = knobs or Knobs()
        self._rng = random.Random(0)  # noqa: S311 - repeatable on purpose
        self._tokens, self._refilled = 1.0, clock()

    @property
    def knobs(self) -> Knobs:
        return self._knobs

    def turn(self, changes: Mapping[str, Any]) -> Knobs:
        """Change some knobs; the draws begin again from the seed."""
        with self._lock:
            self._knobs = self._knobs.turned(changes)
            self._rng = random.Random(self._knobs.seed)  # noqa: S311
            return self._knobs

    def serve(self, key: str, body: dict[str, Any]) -> Served:
        """One request, slept through. `OtherBody` when the key is known with another body."""
        with self._lock:
            fate, knobs = self._draw(), self._knobs
        if fate is Fate.LIMITED:
            return Served(fate)
        self._wait_ms(knobs.latency_ms + (knobs.slow_ms if fate is Fate.SLOW else 0))
        if fate is Fate.DECLINED and self.done(key) is not None:
            fate = Fate.FINE  # what a key has bought is paid for, whatever the card says today
        if fate in (Fate.ERROR, Fate.HANG, Fate.DECLINED):
            self._wait_ms(knobs.hang_ms if fate is Fate.HANG else 0)
            return Served(fate)
        with self._lock:
            if self._closed(key):
                return Served(Fate.CLOSED)
            entry = self._ledger.accept(key, body, knobs.key_ttl_s)
        if fate is Fate.EFFECT_THEN_SLOW:
            self._wait_ms(knobs.effect_then_slow_ms)
        elif fate is Fate.EFFECT_THEN_TIMEOUT:
            self._wait_ms(knobs.hang_ms)
        return Served(fate, entry)

    def find(self, key: str) -> Entry | None:
        with self._lock:
            return None if self._closed(key) else self._ledger.find(key)

    def done(self, key: str) -> Entry | None:
        """The effect of that key, also one that was given back."""
        with self._lock:
            return self._ledger.find(key)

    def forget(self, key: str) -> bool:
        with self._lock:
            return self._ledger.forget(key)

    def page(self, after: int, limit: int) -> list[Entry]:
        with self._lock:
            return self._ledger.page(after, limit)

    def _draw(self) -> Fate:
        if not self._admitted():
            return Fate.LIMITED
        drawn, reached = self._rng.random(), 0.0
        for name in SHARES:
            reached += getattr(self._knobs, name)
            if drawn < reached:
                return Fate(name)
        return Fate.FINE

    def _admitted(self) -> bool:
        """A token bucket of one second's size."""
        rate = self._knobs.rate_limit_per_s
        if rate == 0:
            return True
        now = self._clock()
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _wait_ms(self, milliseconds: int) -> None:
        if milliseconds:
            self._sleep(milliseconds / 1000)
