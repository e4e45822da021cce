"""The end of an effect, whoever knows its outcome: the vendor's answer, or an operator."""

from __future__ import annotations

from collections.abc import Mapping

from outbox.connection import PsycopgConnection
from strangler.step.apply import ApplyWrites, apply
from strangler.step.conclude import Conclude, following
from strangler.step.effect_table import Effect, Ending, end
from strangler.step.intents import Json


def end_and_follow(
    connection: PsycopgConnection,
    effect: Effect,
    ending: Ending,
    outcome: Mapping[str, Json],
    *,
    conclude: Conclude,
    apply_writes: ApplyWrites,
) -> bool:
    """End the effect and do what follows, in one transaction; commits. False if it had ended before."""
    act = following(effect, conclude(effect, ending, outcome))
    return end(connection, effect, ending, outcome, lambda same: apply(same, effect.step, [act], apply_writes))
