"""The problems of a plan, gathered: who wants all of them at once loads it so, and nothing is raised for the first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_gathered: ContextVar[list[str] | None] = ContextVar("strangler_gathered_problems", default=None)


@contextmanager
def gathering() -> Iterator[list[str]]:
    """What plans refuse within the block is put into the list that it gets, and the plans are made all the same."""
    problems: list[str] = []
    token = _gathered.set(problems)
    try:
        yield problems
    finally:
        _gathered.reset(token)


def refused(problems: Iterable[str]) -> list[str]:
    """Those that are to be raised now: none where they are gathered."""
    found, gathered = list(problems), _gathered.get()
    if gathered is None:
        return found
    gathered += [problem for problem in found if problem not in gathered]
    return []
