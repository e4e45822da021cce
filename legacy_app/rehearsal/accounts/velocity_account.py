"""Whether velocity adds up: each accepted order of a customer is counted, as it is, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from outbox import PsycopgConnection

# A refused order is not counted; one that is pending, or that something else has ended, may be.
COUNTED: LiteralString = """
WITH holder AS (SELECT coalesce(max(holder), 'legacy') AS name FROM strangler.authority WHERE resource = 'velocity'),
kept AS (SELECT order_ref, customer_id, amount_minor FROM legacy.velocity, holder WHERE name <> 'new'
         UNION ALL SELECT order_ref, customer_id, amount_minor FROM fraud.velocity, holder WHERE name = 'new'),
placed AS (SELECT order_ref, o.customer_id, o.status, o.rejected_by,
                  sum(quantity * unit_price_minor)::bigint AS amount_minor
           FROM legacy.orders o JOIN legacy.order_line USING (order_ref)
           WHERE o.customer_id IS NOT NULL GROUP BY o.order_ref),
each AS (
    SELECT placed.status NOT IN ('pending', 'rejected') AS must_be,
           placed.rejected_by IS DISTINCT FROM 'fraud' AS may_be,
           placed.order_ref IS NOT NULL AS known, kept.order_ref IS NOT NULL AS is_there,
           (kept.customer_id, kept.amount_minor) = (placed.customer_id, placed.amount_minor) AS same
    FROM kept FULL JOIN placed USING (order_ref))
SELECT count(*) FILTER (WHERE must_be AND NOT coalesce(same, false)),
       count(*) FILTER (WHERE is_there AND NOT (known AND may_be))
FROM each"""


@dataclass(frozen=True, slots=True)
class VelocityAccount:
    """In orders. `uncounted`: accepted ones that are not counted, or not as they are. `unwanted`: counted, and not
    known or refused by fraud.
    """

    uncounted: int
    unwanted: int


def account_for_velocity(connection: PsycopgConnection) -> VelocityAccount:
    """For a system at rest."""
    uncounted, unwanted = connection.execute(COUNTED).fetchone() or (0, 0)
    return VelocityAccount(uncounted, unwanted)
