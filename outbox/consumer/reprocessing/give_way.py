"""Events that are gone through once more give way: to what a group has to do live."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

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
    """Called between batches: returns at once while the group keeps up, else when it has caught up again.

    `oldest_s` looks at the group: for how many seconds its oldest live event has waited, None where none does, also
    where it could not look: hours of work do not end for it. It is asked once a second at most, `say` is told at the
    first pause and every ten seconds. Without end: a group that does not come back has other needs than more work.
    Ctrl-C ends it, and nothing is half done.

    >>> GiveWay(lambda: None, limit_s=5.0, say=print)()
    """

    oldest_s: Callable[[], float | None]
    limit_s: float
    say: Callable[[Waits], None]
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep
    paused_s: float = 0.0
    _look_at: float = field(default=0.0, init=False)

    def __call__(self) -> None:
        if self.clock() < self._look_at:
            return
        began, say_at = self.clock(), self.clock()
        limit_s = self.limit_s
        while (waits := self.oldest_s()) is not None and waits > limit_s:
            limit_s = self.limit_s / 2
            if self.clock() >= say_at:
                self.say(Waits(waits, self.limit_s))
                say_at += SAY_EVERY_S
            self.pause(PAUSE_S)
        if limit_s != self.limit_s:
            self.paused_s += self.clock() - began
        self._look_at = self.clock() + LOOK_EVERY_S
