"""The payment vendor's two desks, for charges and refunds, and one row per payment: taken, or refunded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from new_services.http_vendor import DAY_S, Desk, HttpVendor
from outbox.connection import PsycopgConnection
from strangler.step.apply import NumberedWrite
from strangler.step.intents import Json, effect_key, first_number
from strangler.step.vendor import Answer

CHARGES = Desk("payments", "charge", "/payments/charges", keeps={"charge_id": str})
REFUNDED = {"charge_id": str, "amount_minor": int, "refund_status": str}  # no charge_id where the key was voided
REFUNDS = Desk("payments", "refund", "/payments/refunds", keeps=REFUNDED)

# Rows in key order. A refund stays one: a charge's outcome that is kept late, behind its own refund, changes nothing.
PUT = """
INSERT INTO payment (order_ref, charge_id, amount_minor, state)
SELECT * FROM unnest(%(order_refs)s::text[], %(charge_ids)s::text[], %(amounts)s::bigint[], %(states)s::text[])
     AS given (order_ref, charge_id, amount_minor, state)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO UPDATE SET state = 'refunded', refunded_at = now() WHERE excluded.state = 'refunded'"""

STATES = {"payment": "taken", "refund": "refunded"}


class PaymentVendor:
    """Charges by HTTP, gives charges back, and looks both up. A charge that was given back is refused for ever."""

    def __init__(self, url: str, *, timeout_s: float = 5.0, key_lifetime_s: float = DAY_S) -> None:
        self._charges = HttpVendor(url, CHARGES, timeout_s=timeout_s, key_lifetime_s=key_lifetime_s)
        self._refunds = HttpVendor(url, REFUNDS, timeout_s=timeout_s, key_lifetime_s=key_lifetime_s)

    @property
    def timeout_s(self) -> float:
        return self._charges.timeout_s

    @property
    def key_lifetime_s(self) -> float:
        return self._charges.key_lifetime_s

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:
        """A refund is asked for by the key of its charge, not by its own."""
        if operation == REFUNDS.operation:
            return self._refunds.send(charge_key(key), operation, body)
        return self._charges.send(key, operation, body)

    def look_up(self, key: str) -> Answer:
        if key == charge_key(key):
            return self._charges.look_up(key)
        return self._refunds.look_up(charge_key(key))


def charge_key(key: str) -> str:
    """The key of the order's charge, from that of any of its payment effects."""
    order_ref, step, _ = key.rsplit(":", 2)
    return effect_key(order_ref, step, first_number(1))


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
