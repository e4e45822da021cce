"""Who works for others gives way to them: what is gone through once more stands still, a live member slows down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

GIVE_WAY_AT = 0.5  # of the deadline that a policy promises
LOOK_EVERY_S = 1.0
PAUSE_S = 0.5
SAY_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Waits:
    """Live events wait: the oldest for `oldest_s`; from `limit_s` on it is given way to, until half of that."""

    oldest_s: float
    limit_s: float


@dataclass(slots=True)
class GiveWay:
    """Whether `name` must be given way to: from `limit_s` that its live events wait, until half of that.

    `oldest_s` looks: for how many seconds its oldest live event has waited, None where none does, also where it could
    not look: nothing is held up by what nobody sees. It is asked once a second at most. `say` is told at the first
    pause and every ten seconds, and None when it is over.

    Called between batches, it returns at once while `name` keeps up, else when it has caught up again. Without end: a
    group that does not come back has other needs than more work. Ctrl-C ends it, and nothing is half done.
    `now` only says it: a member goes on meanwhile, at the floor that its policy declares (`Downstream`).

    >>> GiveWay(lambda: None, limit_s=5.0, say=print)()
    """

    oldest_s: Callable[[], float | None]
    limit_s: float
    say: Callable[[Waits | None], None]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    name: str = ""
    paused_s: float = 0.0
    since: float = field(default=0.0, init=False)
    _waits: Waits | None = field(default=None, init=False)
    _look_at: float = field(default=0.0, init=False)
    _say_at: float = field(default=0.0, init=False)

    def __call__(self) -> None:
        while self.now() is not None:
            self.pause(PAUSE_S)
            self.paused_s += PAUSE_S

    def now(self) -> Waits | None:
        """What is given way to, as of the last look; None: nothing."""
        if self.clock() < self._look_at:
            return self._waits
        before, oldest_s = self._waits, self.oldest_s()
        limit_s = self.limit_s if before is None else self.limit_s / 2
        self._waits = Waits(oldest_s, self.limit_s) if oldest_s is not None and oldest_s > limit_s else None
        now = self.clock()
        self._look_at = now + (LOOK_EVERY_S if self._waits is None else PAUSE_S)
        if before is None and self._waits is not None:
            self.since = self._say_at = now
        if self._waits is not None and now >= self._say_at:
            self._say_at += SAY_EVERY_S
            self.say(self._waits)
        elif before is not None and self._waits is None:
            self.say(None)
        return self._waits
