"""Whether what is let in now may cost less: while the slots are full, and for a moment after it."""

from __future__ import annotations

MOMENT_S = 1.0  # so that a hint does not come and go with each slot


class Degrading:
    """Of one process. Times are seconds of one clock that only goes on.

    >>> degrading = Degrading()
    >>> [degrading.let_in(now, full=full) for now, full in ((0.0, False), (1.0, True), (1.9, False), (2.0, False))]
    [False, True, True, False]
    """

    def __init__(self) -> None:
        self._until = float("-inf")

    def let_in(self, now: float, *, full: bool) -> bool:
        """Whether what is let in now is to cost less. `full`: it got the last slot, or had to wait for one."""
        if full:
            self._until = now + MOMENT_S
        return now < self._until
