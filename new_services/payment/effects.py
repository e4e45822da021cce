"""The payment vendor's two desks, and one row per payment: taken, or refunded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from new_services.http_vendor import DAY_S, Desk, HttpVendor
from outbox.connection import PsycopgConnection
from strangler.step.apply import NumberedWrite
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind

CHARGES = Desk("payments", "charge", "/payments/charges", keeps={"charge_id": str})
REFUNDS = Desk(
    "refunds", "refund", "/payments/refunds", keeps={"charge_id": str, "amount_minor": int, "refund_status": str}
)

# Rows in key order. A refund stays one: a charge's outcome that is kept late, behind its own refund, changes nothing.
PUT = """
INSERT INTO payment (order_ref, charge_id, amount_minor, state)
SELECT * FROM unnest(%(order_refs)s::text[], %(charge_ids)s::text[], %(amounts)s::bigint[], %(states)s::text[])
     AS given (order_ref, charge_id, amount_minor, state)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO UPDATE SET state = 'refunded', refunded_at = now() WHERE excluded.state = 'refunded'"""

STATES = {"payment": "taken", "refund": "refunded"}


class PaymentVendor(HttpVendor):
    """Charges by HTTP, and looks charges up. A charge that was given back is refused by both."""

    def __init__(self, url: str, *, timeout_s: float = 5.0, key_lifetime_s: float = DAY_S) -> None:
        super().__init__(url, CHARGES, timeout_s=timeout_s, key_lifetime_s=key_lifetime_s)


class RefundVendor(HttpVendor):
    """Gives charges back by HTTP: asked by the charge's own key, which the vendor remembers for ever."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        super().__init__(url, REFUNDS, timeout_s=timeout_s, key_lifetime_s=math.inf)

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:  # noqa: ARG002 - one per charge
        return super().send(str(body["charge_key"]), operation, body)

    def look_up(self, key: str) -> Answer:
        """The desk knows the charge's key only: a refund is asked for again instead."""
        return Answer(AnswerKind.UNKNOWN, {"reason": f"refunds are not looked up, by no key such as {key[:80]!r}"})


def apply_writes(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Keep what was taken or given back."""
    values = [each.write.values for each in writes]
    parameters = {
        "order_refs": [each["order_ref"] for each in values],
        "charge_ids": [each["charge_id"] for each in values],
        "amounts": [each["amount_minor"] for each in values],
        "states": [STATES[each.write.table] for each in writes],
    }
    connection.execute(PUT, parameters)
