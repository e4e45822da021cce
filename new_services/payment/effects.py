"""One row per payment: taken, or refunded."""

from __future__ import annotations

from collections.abc import Sequence

from outbox import PsycopgConnection
from strangler.service import NumberedWrite, effect_key, first_number

# Rows in key order. A refund stays one: a charge's outcome that is kept late, behind its own refund, changes nothing.
PUT = """
INSERT INTO payment (order_ref, charge_id, amount_minor, state)
SELECT * FROM unnest(%(order_refs)s::text[], %(charge_ids)s::text[], %(amounts)s::bigint[], %(states)s::text[])
     AS given (order_ref, charge_id, amount_minor, state)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO UPDATE SET state = 'refunded', refunded_at = now() WHERE excluded.state = 'refunded'"""

STATES = {"payment": "taken", "refund": "refunded"}


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
