"""Giving up work: only what a policy declares, only while it is permitted, and with a note of what it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition
from outbox.event import ReceivedEvent
from outbox.policy import Policy, Sampling

GiveUp = Callable[[PsycopgConnection, Sequence[ReceivedEvent], str], Sequence[Disposition]]


def never() -> bool:
    """Nobody has been asked."""
    return False


def no_mode() -> str:
    """Nobody declares any here."""
    return ""


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
    cited for the others, and `over_budget` for failed events once the retry budget is spent. `in_modes`: the sample and
    the clause in their places while the mode of that name is the one that `mode` names; it is asked for each run.
    """

    permitted: Callable[[], bool] = never
    give_up: GiveUp = keep_nothing
    sample: Sampling | None = None
    over_budget: str = "retry.over_budget"
    sample_clause: str = "sampling.keep"
    in_modes: Mapping[str, tuple[Sampling, str]] = field(default_factory=dict)
    mode: Callable[[], str] = no_mode

    @classmethod
    def of(
        cls,
        policy: Policy,
        *,
        permitted: Callable[[], bool],
        give_up: GiveUp = keep_nothing,
        mode: Callable[[], str] = no_mode,
    ) -> Shedding:
        """What a flow's policy says of it."""
        cited = "" if policy.sampling is None else policy.clause("sampling.keep")
        in_modes = {
            one.mode: (one.sampling, policy.clause(f"modes.{one.mode}.sampling.keep"))
            for one in policy.modes
            if one.sampling is not None
        }
        return cls(permitted, give_up, policy.sampling, policy.clause("retry.over_budget"), cited, in_modes, mode)

    @property
    def samples(self) -> bool:
        """Whether it ever does."""
        return self.sample is not None or bool(self.in_modes)

    def now(self) -> tuple[Sampling | None, str]:
        """Which events are kept now, and what is cited for the others."""
        return self.in_modes.get(self.mode(), (self.sample, self.sample_clause))
