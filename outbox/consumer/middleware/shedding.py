"""Giving up work: only what a policy declares, only while it is permitted, and with a note of what it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition
from outbox.event import ReceivedEvent
from outbox.policy import Policy, Sampling

GiveUp = Callable[[PsycopgConnection, Sequence[ReceivedEvent], str], Sequence[Disposition]]


def never() -> bool:
    """Nobody has been asked."""
    return False


def keep_nothing(
    connection: PsycopgConnection,  # noqa: ARG001 - a `GiveUp`
    events: Sequence[ReceivedEvent],
    clause: str,  # noqa: ARG001
) -> Sequence[Disposition]:
    """They are counted, and nobody knows later which they were."""
    return [Disposition.SHED] * len(events)


@dataclass(frozen=True, slots=True)
class Shedding:
    """`permitted` is asked before anything is given up; at a no, as by default, it is handled, however late or often.

    `give_up` acts as a handler does, in the run's transaction: it notes the events and the clause that gave them up,
    and answers what became of each. `sample`: which events are kept under pressure; None: all. `sample_clause` is
    cited for the others, and `over_budget` for failed events once the retry budget is spent.
    """

    permitted: Callable[[], bool] = never
    give_up: GiveUp = keep_nothing
    sample: Sampling | None = None
    over_budget: str = "retry.over_budget"
    sample_clause: str = "sampling.keep"

    @classmethod
    def of(cls, policy: Policy, *, permitted: Callable[[], bool], give_up: GiveUp = keep_nothing) -> Shedding:
        """What a flow's policy says of it."""
        cited = "" if policy.sampling is None else policy.clause("sampling.keep")
        return cls(permitted, give_up, policy.sampling, policy.clause("retry.over_budget"), cited)
