"""The one wait of the tests: asks until the answer is yes, and says what it waited for when that does not come."""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable
from functools import partial

from strangler.local.waiting import wait_until as asked_until

WITHIN_S = 30.0
EVERY_S = 0.02


class NotInTime(AssertionError):
    """What a test waited for did not happen."""


def wait_until(
    ask: Callable[[], object],
    seen: Callable[[], object] | None = None,
    *,
    within_s: float = WITHIN_S,
    every_s: float = EVERY_S,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return as soon as `ask()` is true; asked at least once.

    After `within_s` raises `NotInTime`, which names the condition, the time, the last answer, and what `seen()` tells.
    `pause(seconds)` is what happens between two looks: polling, say, instead of sleeping.
    """
    answers: list[object] = [None]

    def check() -> bool:
        answers[0] = ask()
        return bool(answers[0])

    def between(pause_s: float) -> None:
        pause(pause_s)

    if not asked_until(check, within_s=within_s, every_s=every_s, clock=clock, pause=between):
        what = f"waited {within_s:g} s for: {told(ask)}; the last answer was {answers[0]!r}"
        raise NotInTime(what if seen is None else f"{what}; seen: {seen()}")


def comes_true(
    ask: Callable[[], object],
    *,
    within_s: float = WITHIN_S,
    every_s: float = EVERY_S,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """The same for who goes on either way: False when it is not in time."""
    return asked_until(lambda: bool(ask()), within_s=within_s, every_s=every_s, pause=pause)


def told(ask: Callable[[], object]) -> str:
    """A condition as its source says it: the lines of a lambda, the name of anything else."""
    if isinstance(ask, partial):
        return f"{told(ask.func)} of {', '.join(map(repr, ask.args))}"
    code = getattr(ask, "__code__", None)
    if code is None or code.co_name != "<lambda>":
        return str(getattr(ask, "__qualname__", ask))
    places = [(line, end) for line, end, _, _ in code.co_positions() if line is not None and end is not None]
    first, last = min(line for line, _ in places), max(end for _, end in places)
    lines = [linecache.getline(code.co_filename, number).strip() for number in range(first, last + 1)]
    return f"{' '.join(lines)} ({code.co_filename}:{first})"
