"""What a plan declares of work that does not come over HTTP, and when such work may go on. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from outbox.terms import check_terms
from strangler.errors import BadPlan

RUNS = 0.1  # of the time under pressure, for a command that asks for nothing


@dataclass(frozen=True, slots=True)
class Bulk:
    """Batch jobs and partners' files, under `strangler admit bulk -- COMMAND`. Times are seconds.

    A command waits for `longest_wait_s` at most to begin while there is pressure; then it is refused. Under way it is
    slowed while there is: one unit of its work in `slow_s`, never none, so that what waits for it goes on. After
    `longest_s` it is told to end, and killed `grace_s` later.

    >>> Bulk(longest_wait_s=3600, longest_s=7200).slow_s
    10.0
    """

    longest_wait_s: float
    longest_s: float
    slow_s: float = 10.0
    grace_s: float = 10.0

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan, above_zero=("longest_s", "slow_s"), from_zero=("longest_wait_s", "grace_s"))


def bulk_problems(bulk: Bulk) -> Iterable[str]:
    """What contradicts itself, with the fix."""
    if bulk.slow_s > bulk.longest_s:
        yield (
            f"admission's bulk has slow_s={bulk.slow_s:g} above longest_s={bulk.longest_s:g}, so a slowed command ends "
            "before its second unit; give less"
        )


class Turns:
    """Of one command: whether its next unit may begin, or whether it runs where it asks for none."""

    def __init__(self, bulk: Bulk) -> None:
        self._slow_s = bulk.slow_s
        self._unit_at: float | None = None
        self._pressed_at: float | None = None

    def next_unit(self, now: float, *, pressed: bool) -> bool:
        """Whether it may begin now; then it has."""
        if pressed and self._unit_at is not None and now - self._unit_at < self._slow_s:
            return False
        self._unit_at = now
        return True

    def runs(self, now: float, *, pressed: bool) -> bool:
        """Under pressure it stands first, then runs for a tenth of each `slow_s`."""
        if not pressed:
            self._pressed_at = None
            return True
        self._pressed_at = now if self._pressed_at is None else self._pressed_at
        return (now - self._pressed_at) % self._slow_s >= self._slow_s * (1.0 - RUNS)
