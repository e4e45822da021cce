"""What a plan declares of one class of work."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.terms import check_terms
from strangler.errors import BadPlan


@dataclass(frozen=True, slots=True)
class LagPromise:
    """What `context`, of the plan's, is told by this class's work is done within `within_s`: more is not let in.

    The context keeps its positions by itself; what it has still to do is read from them and the log, once a second.

    >>> LagPromise("notification", within_s=60).within_s
    60
    """

    context: str
    within_s: float

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)


@dataclass(frozen=True, slots=True)
class WorkClass:
    """Work that the business treats alike when there is not room for all.

    `deadline_s`: after it nobody waits for the answer any more, counted from when the request came. `floor`: the share
    of the slots that the class keeps however much those above it ask for. `quota_per_s`: requests that one tenant may
    send of it in a second. `lag_promises`: no more is let in than its events' consumers can do in time. `degrade`: what
    the application may leave out of it while the slots are full: told by the field `Strangler-Degrade`, which it may
    heed.
    """

    name: str
    deadline_s: float
    floor: float = 0.0
    quota_per_s: float | None = None
    lag_promises: tuple[LagPromise, ...] = ()
    degrade: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)
