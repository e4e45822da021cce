"""What fraud asks of the scorer, and what follows from its answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from new_services.fraud.tiers import Tier, tier_of, words
from new_services.order_event import FraudDecided, OrderEvent, OrderReceived
from new_services.order_state import Order, state
from new_services.outcomes import tell
from strangler.step.effect_table import Effect, Ending
from strangler.step.intents import Call, Intent, Json, Write

VENDOR, OPERATION = "fraud", "score"


def decide(event: OrderEvent) -> Sequence[Intent]:
    """A received order is scored; beside legacy, its score as legacy saw it is judged again."""
    match event:
        case OrderReceived(order):
            return [_score(order)]
        case FraudDecided(order, _, score):
            return [_score(order), _decision(order.order_ref, score)]
        case _:
            return []


def conclude(effect: Effect, ending: Ending, outcome: Mapping[str, Json]) -> Sequence[Intent]:
    """The decision, the review it asks for, and the outcome's event."""
    score = outcome["score"] if ending is Ending.DONE else None
    tier = tier_of(score)
    intents: list[Intent] = [_decision(effect.order_ref, score)]
    if tier is Tier.MEDIUM:
        intents.append(Write("review", {"order_ref": effect.order_ref, "score": score}))
    type_ = "FraudRefused" if tier is Tier.HIGH else "FraudCleared"
    told = {"score": score, "tier": tier.value, "reason": words(score)}
    return [*intents, tell(type_, effect.carry["order"], told)]


def _score(order: Order) -> Call:
    body = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    return Call(VENDOR, OPERATION, body, carry={"order": state(order)})


def _decision(order_ref: str, score: int | None) -> Write:
    return Write("decision", {"order_ref": order_ref, "score": score, "verdict": tier_of(score).verdict})
