"""The oracle of velocity: what each customer had ordered in the hour before, counted again from the orders themselves.

Who was counted before whom is the only thing that it takes from what is judged: no order says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import LiteralString

from outbox import PsycopgConnection

MOST_ORDERS, MOST_MINOR = 100, 50_000_000  # of a customer in an hour
RECENT = ("recent_orders", "recent_minor")
NOT_COUNTED = "not counted"  # equals no number

# The table of whoever has the authority, at the snapshot's moment; amounts are the orders' own.
RECENTLY: LiteralString = """
WITH holder AS (SELECT coalesce(max(holder), 'legacy') AS name FROM strangler.authority WHERE resource = 'velocity'),
kept AS (SELECT order_ref, counted_at FROM legacy.velocity, holder WHERE name <> 'new'
         UNION ALL SELECT order_ref, counted_at FROM fraud.velocity, holder WHERE name = 'new'),
placed AS (SELECT order_ref, o.customer_id, sum(quantity * unit_price_minor)::bigint AS amount_minor
           FROM legacy.orders o JOIN legacy.order_line USING (order_ref) GROUP BY order_ref, o.customer_id)
SELECT order_ref, customer_id, amount_minor, count(*) OVER hour, coalesce(sum(amount_minor) OVER hour, 0)::bigint
FROM kept JOIN placed USING (order_ref)
WINDOW hour AS (PARTITION BY customer_id ORDER BY counted_at
                RANGE BETWEEN interval '1 hour' PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW)"""


class Velocities:
    """All customers' at one moment."""

    def __init__(self, connection: PsycopgConnection) -> None:
        self._before: dict[str, dict[str, int]] = {}
        self._most: dict[str, tuple[int, int]] = {}
        for order_ref, customer_id, amount_minor, orders, minor in connection.execute(RECENTLY):
            self._before[order_ref] = dict(zip(RECENT, (orders, minor), strict=True))
            most_orders, most_minor = self._most.get(customer_id, (0, 0))
            self._most[customer_id] = max(most_orders, orders + 1), max(most_minor, minor + amount_minor)

    def before(self, order_ref: str, customer_id: str | None) -> Mapping[str, int | str | None]:
        """What the customer had ordered in the hour before; nobody knows that of a guest."""
        return self._before.get(order_ref) or dict.fromkeys(RECENT, None if customer_id is None else NOT_COUNTED)

    def can_be_too_much(self, customer_id: str | None, amount_minor: int) -> bool:
        """Whether there was an hour after which one more order of that amount is refused."""
        orders, minor = self._most.get(customer_id or "", (0, 0))
        return customer_id is not None and (orders >= MOST_ORDERS or minor + amount_minor > MOST_MINOR)
