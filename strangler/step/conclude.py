"""What follows when a vendor has answered: intents, applied in the transaction that ends the effect. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from strangler.step.apply import Act
from strangler.step.effect_table import Effect, Ending
from strangler.step.intents import INTENTS_PER_EVENT, Emit, Intent, Json

Conclude = Callable[[Effect, Ending, Mapping[str, Json]], Sequence[Intent]]


def tell(effect: Effect, ending: Ending, outcome: Mapping[str, Json]) -> Sequence[Intent]:
    """`EffectDone` or `EffectRefused`, versioned by the intent number: what follows where a step says nothing else."""
    body = {
        "subject_ref": effect.subject_ref,
        "step": effect.step,
        "number": effect.number,
        "vendor": effect.vendor,
        "operation": effect.operation,
        "state": ending.value,
        "outcome": dict(outcome),
    }
    type_ = {Ending.DONE: "EffectDone", Ending.REFUSED: "EffectRefused"}[ending]
    return [Emit(type_, body, effect.number)]


def following(effect: Effect, intents: Sequence[Intent]) -> Act:
    """The intents as an act of the effect's event: numbered after the effect, in the event's context."""
    version, context = effect.number // INTENTS_PER_EVENT, effect.carry.get("context", {})
    return Act(effect.subject_ref, version, effect.number + 1, intents, context)
