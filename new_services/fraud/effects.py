"""The scorer, and the rows of fraud: one decision per order, and the backlog of reviews."""

from __future__ import annotations

from collections.abc import Sequence

from new_services.fraud.tiers import tier_of
from new_services.http_vendor import DAY_S, Desk, HttpVendor
from outbox.connection import PsycopgConnection
from strangler.step.apply import NumberedWrite

DESK = Desk("fraud", "score", "/fraud/scores", keeps={"score": int})

# Rows in key order, so that senders side by side do not deadlock.
PUT_DECISIONS = """
INSERT INTO decision (order_ref, score, verdict, tier)
SELECT * FROM unnest(%(order_refs)s::text[], %(scores)s::integer[], %(verdicts)s::text[], %(tiers)s::text[])
     AS given (order_ref, score, verdict, tier)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO NOTHING"""

PUT_REVIEWS = """
INSERT INTO review (order_ref, score)
SELECT * FROM unnest(%(order_refs)s::text[], %(scores)s::integer[]) AS given (order_ref, score)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO NOTHING"""


class FraudVendor(HttpVendor):
    """Scores orders by HTTP and looks scores up."""

    def __init__(self, url: str, *, timeout_s: float = 5.0, key_lifetime_s: float = DAY_S) -> None:
        super().__init__(url, DESK, timeout_s=timeout_s, key_lifetime_s=key_lifetime_s)


def apply_writes(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Keep decisions, and open reviews; the first of each order stays."""
    decisions = [each.write.values for each in writes if each.write.table == "decision"]
    reviews = [each.write.values for each in writes if each.write.table == "review"]
    if decisions:
        parameters = {
            "order_refs": [each["order_ref"] for each in decisions],
            "scores": [each["score"] for each in decisions],
            "verdicts": [each["verdict"] for each in decisions],
            "tiers": [tier_of(each["score"]).value for each in decisions],
        }
        connection.execute(PUT_DECISIONS, parameters)
    if reviews:
        refs, scores = [each["order_ref"] for each in reviews], [each["score"] for each in reviews]
        connection.execute(PUT_REVIEWS, {"order_refs": refs, "scores": scores})
