"""The application behind the slots: so many requests at once, lognormal service, and its troubles."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Trouble:
    """From `begin` to `end` a service that begins takes `mean_s`; with `hangs`, all wait until the end."""

    begin: float
    end: float
    mean_s: float = 0.4
    hangs: bool = False


@dataclass(slots=True)
class Call:
    """One request to it. `done` is told when it has ended, unless it was cut before."""

    done: Callable[[float], None]
    running: bool = False
    over: bool = False


@dataclass(slots=True)
class Provider:
    """`at` puts a function on the world's calendar."""

    at: Callable[[float, Callable[[float], None]], None]
    rng: random.Random
    places: int = 20
    mean_s: float = 0.02
    sigma: float = 0.5
    trouble: Trouble | None = None
    busy: int = 0
    queue: deque[Call] = field(default_factory=deque)

    @property
    def saturation_per_s(self) -> float:
        return self.places / self.mean_s

    def call(self, now: float, call: Call) -> None:
        if self.busy < self.places:
            self._serve(now, call)
        else:
            self.queue.append(call)

    def cut(self, now: float, call: Call) -> None:
        """Its caller has closed the connection; the place is free."""
        call.over = True
        if call.running:
            self._next(now)

    def _serve(self, now: float, call: Call) -> None:
        self.busy += 1
        call.running = True
        self.at(now + self._service_s(now), lambda later: self._end(later, call))

    def _end(self, now: float, call: Call) -> None:
        if not call.over:
            call.over = True
            self._next(now)
            call.done(now)

    def _next(self, now: float) -> None:
        self.busy -= 1
        while self.queue:
            waiting = self.queue.popleft()
            if not waiting.over:
                self._serve(now, waiting)
                return

    def _service_s(self, now: float) -> float:
        mean_s, extra_s = self.mean_s, 0.0
        if self.trouble is not None and self.trouble.begin <= now < self.trouble.end:
            if self.trouble.hangs:
                extra_s = self.trouble.end - now
            else:
                mean_s = self.trouble.mean_s
        return extra_s + self.rng.lognormvariate(math.log(mean_s) - self.sigma**2 / 2, self.sigma)
