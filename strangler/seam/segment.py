"""Segments: a chain is run again from its top for each continuation, and the steps that are done skip themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from strangler.ownership import Owner, Ownership
from strangler.seam.watched import SeamSubject, seam
from strangler.step.intents import Intent

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="AnyConnection")
SubjectT = TypeVar("SubjectT", bound=SeamSubject)


class Pause(Exception):
    """The chain has met a step of the new side whose outcome is not there. Not a failure: commit what was done."""

    def __init__(self, step: str) -> None:
        super().__init__(f"the new side's {step} has not ended; wait for its outcome")
        self.step = step


@dataclass(slots=True)
class Segment:
    """One run of the chain. `done`: steps of earlier runs; `again`: there was one. `wait_s`: how long somebody will
    wait after a pause. `at`: the step of the middle that legacy ran last, or that has failed.
    """

    done: frozenset[str] = frozenset()
    again: bool = False
    wait_s: float = 0.0
    at: str | None = None


_CURRENT: ContextVar[Segment | None] = ContextVar("strangler_segment", default=None)


def current() -> Segment:
    """The run under way; a first one where nobody has begun any."""
    return _CURRENT.get() or Segment()


@contextmanager
def running(segment: Segment) -> Iterator[Segment]:
    """Everything in the block is one run of the chain."""
    token = _CURRENT.set(segment)
    try:
        yield segment
    finally:
        _CURRENT.reset(token)


def last_of_run(chain: Sequence[str], step: str, ownership: Ownership) -> str:
    """The last of the new side's steps that follow each other from `step` on: what the subject waits for.

    >>> last_of_run(["fraud", "inventory", "payment"], "fraud", Ownership(1, {"fraud": Owner.NEW}))
    'fraud'
    """
    last = step
    for name in chain[chain.index(step) :]:
        if ownership.of(name) is not Owner.NEW:
            break
        last = name
    return last


def pausing_seam(
    step: str,
    *,
    observe: Callable[Concatenate[SubjectT, R, P], Sequence[Intent]],
    then: Callable[[C, SubjectT, R], None],
) -> Callable[[Callable[Concatenate[C, SubjectT, P], R]], Callable[Concatenate[C, SubjectT, P], R | None]]:
    """A seam whose step can be waited for.

    Done in an earlier run: skipped. Owner new: `Pause`. Else it runs and is observed as by `seam`; then
    `then(connection, subject, result)` tells the world of its outcome, in the same transaction. What `then` raises
    reaches the caller.
    """

    def wrap(function: Callable[Concatenate[C, SubjectT, P], R]) -> Callable[Concatenate[C, SubjectT, P], R | None]:
        watched = seam(step, observe=observe)(function)

        @functools.wraps(function)
        def run(connection: C, order: SubjectT, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
            segment = current()
            if step in segment.done:
                return None
            if Ownership.from_header(order.ownership).of(step) is Owner.NEW:
                raise Pause(step)
            segment.at = step
            result = watched(connection, order, *args, **kwargs)
            then(connection, order, result)  # type: ignore[arg-type]  # the owner is not new: it has run
            return result

        return run

    return wrap
