"""What fraud asks of the scorer, and what follows from its answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from new_services.fraud.policy import REVIEW_FROM, policy
from new_services.fraud.tiers import Tier, Velocity, tier_of, words
from new_services.order_event import FraudDecided, OrderEvent, OrderReceived
from new_services.order_state import Order, state
from strangler import Call, Outcome, Write
from strangler.service import Effect, Ending, Intent, Json

VENDOR, OPERATION = "fraud", "score"


def decide(event: OrderEvent) -> Sequence[Intent]:
    """A received order is scored; beside legacy, its score and velocity as legacy saw them are judged again."""
    match event:
        case OrderReceived(order):
            return [_score(order)]
        case FraudDecided(order, _, score, _, orders, minor):
            return [_score(order), _decision(order.order_ref, order.total_minor, score, Velocity(orders, minor))]
        case _:
            return []


def conclude(effect: Effect, ending: Ending, outcome: Mapping[str, Json]) -> Sequence[Intent]:
    """The order is to be counted; what is found then makes its decision: see `settle`."""
    score = outcome["score"] if ending is Ending.DONE else None
    return [Write("score", {"order_ref": effect.subject_ref, "score": score}, carry={"order": effect.carry["order"]})]


def settle(order: Mapping[str, Json], score: int | None, velocity: Velocity, review_from: float) -> Outcome:
    """What came of an order, told as its event."""
    tier = tier_of(score, velocity, order["total_minor"], review_from)
    told = {"score": score, "tier": tier.value, "reason": words(score, velocity, order["total_minor"])}
    told |= {"recent_orders": velocity.orders, "recent_minor": velocity.minor}
    return Outcome("FraudRefused" if tier is Tier.HIGH else "FraudCleared", order, told)


def _decision(order_ref: str, amount_minor: int, score: int | None, velocity: Velocity) -> Write:
    verdict = tier_of(score, velocity, amount_minor, policy.numbers[REVIEW_FROM]).verdict  # the same in every mode
    values = {"order_ref": order_ref, "score": score, "verdict": verdict}
    return Write("decision", {**values, "recent_orders": velocity.orders, "recent_minor": velocity.minor})


def _score(order: Order) -> Call:
    body = {"order_ref": order.order_ref, "customer_id": order.customer_id, "amount_minor": order.total_minor}
    return Call(VENDOR, OPERATION, body, carry={"order": state(order)})
