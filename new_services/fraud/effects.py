"""The scorer, and the rows of fraud: who ordered how much, one decision per order, and the backlog of reviews.

Velocity is shared with legacy's orders: it is counted by `fraud.count_order` only, wherever its authority is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString

from new_services.fraud.decide import settle
from new_services.fraud.policy import REVIEW_FROM, policy
from new_services.fraud.tiers import REFUSE_FROM, Tier, Velocity
from outbox import Event, PsycopgConnection, append_all
from strangler.service import Json, NumberedWrite, emitted, numbers_now

STEP = "fraud"

COUNT = """
SELECT counted, recent_orders, recent_minor
FROM fraud.count_order(%(order_ref)s::text, %(customer_id)s::text, %(amount_minor)s::bigint)"""

# A hung call of legacy's keeps its customer's turn, and a sender has few slots: who waits for long tries again later.
SHORT_TURNS: LiteralString = "SELECT set_config('lock_timeout', '1s', true)"
USUAL_TURNS: LiteralString = "SET LOCAL lock_timeout TO DEFAULT"

# Rows in key order, so that senders side by side do not deadlock.
PUT_DECISIONS = """
INSERT INTO decision (order_ref, score, verdict, tier, recent_orders, recent_minor)
SELECT * FROM unnest(%(order_refs)s::text[], %(scores)s::integer[], %(verdicts)s::text[], %(tiers)s::text[],
                     %(recent_orders)s::bigint[], %(recent_minors)s::bigint[])
     AS given (order_ref, score, verdict, tier, recent_orders, recent_minor)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO NOTHING"""

PUT_REVIEWS = """
INSERT INTO review (order_ref, score)
SELECT * FROM unnest(%(order_refs)s::text[], %(scores)s::integer[]) AS given (order_ref, score)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO NOTHING"""


def apply_writes(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Count the scored orders, keep their decisions, open reviews, and tell; the first of each order stays.

    `psycopg.errors.LockNotAvailable` when a customer's turn does not come within a second.
    """
    outcomes: dict[str, Mapping[str, Json]] = {}
    events: list[Event] = []
    review_from = numbers_now(connection, policy)[REVIEW_FROM]
    connection.execute(SHORT_TURNS)
    for each in sorted(writes, key=_customer):  # the order of locks: one customer after the other
        order, score = each.write.carry["order"], each.write.values["score"]
        told = settle(order, score, _velocity(connection, each), review_from)
        outcomes[each.subject_ref] = told.detail
        events.append(emitted(STEP, each.subject_ref, told, each.context))
    connection.execute(USUAL_TURNS)
    append_all(connection, events)
    connection.execute(PUT_DECISIONS, _columns(outcomes))
    reviews = {ref: outcome for ref, outcome in outcomes.items() if outcome["tier"] == Tier.MEDIUM}
    if reviews:
        connection.execute(PUT_REVIEWS, _columns(reviews))


def _customer(each: NumberedWrite) -> str:
    return each.write.carry["order"]["customer_id"] or ""


def _velocity(connection: PsycopgConnection, each: NumberedWrite) -> Velocity:
    """An order that its score refuses is not counted, as at legacy."""
    score, order = each.write.values["score"], each.write.carry["order"]
    if score is None or score >= REFUSE_FROM:
        return Velocity()
    values = {"order_ref": each.subject_ref, "customer_id": order["customer_id"], "amount_minor": order["total_minor"]}
    [(counted, orders, minor)] = connection.execute(COUNT, values).fetchall()
    return Velocity(orders, minor, counted)


def _columns(outcomes: Mapping[str, Mapping[str, Json]]) -> dict[str, object]:
    tiers = [Tier(each["tier"]) for each in outcomes.values()]
    return {
        "order_refs": list(outcomes),
        "scores": [each["score"] for each in outcomes.values()],
        "verdicts": [tier.verdict for tier in tiers],
        "tiers": [tier.value for tier in tiers],
        "recent_orders": [each["recent_orders"] for each in outcomes.values()],
        "recent_minors": [each["recent_minor"] for each in outcomes.values()],
    }
