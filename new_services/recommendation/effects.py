"""Writes baskets, and counts which articles are bought together: each order counts once, however often replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from new_services.recommendation.affinity import Pair, difference
from outbox import PsycopgConnection
from strangler import Rows
from strangler.service import NumberedWrite

# Lock order: baskets by reference, then counters by pair, across the whole batch. A popular pair is in one order
# of ten, so that lanes meet on it all the time.
OLD_BASKETS = """
SELECT order_ref, version, skus FROM basket
WHERE order_ref = ANY(%(order_refs)s)
ORDER BY order_ref
FOR UPDATE"""

BASKETS = Rows("basket", "order_ref", {"version": "bigint", "customer_id": "text", "skus": "jsonb"})

# least and greatest: the table's idea of "smaller" is the database's collation, not Python's.
COUNT_PAIRS = """
INSERT INTO affinity (sku_a, sku_b, orders)
SELECT least(changed.one, changed.other), greatest(changed.one, changed.other), changed.orders
FROM unnest(%(ones)s::text[], %(others)s::text[], %(orders)s::bigint[]) AS changed (one, other, orders)
ORDER BY 1, 2
ON CONFLICT (sku_a, sku_b) DO UPDATE SET orders = affinity.orders + excluded.orders"""


def apply_writes(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Replace the orders' baskets by their newest and move the counters by the difference.

    Two writers of one new order are kept apart by its claim; this takes no lock on a basket that is not there yet.
    """
    newest = {each.subject_ref: each for each in sorted(writes, key=lambda each: each.version)}
    rows = connection.execute(OLD_BASKETS, {"order_refs": list(newest)}).fetchall()
    old = {order_ref: (version, skus) for order_ref, version, skus in rows}
    changed = [each for each in newest.values() if old.get(each.subject_ref, (0, []))[0] < each.version]
    if not changed:
        return
    BASKETS(connection, changed)
    counts = difference((old.get(each.subject_ref, (0, []))[1], each.write.values["skus"]) for each in changed)
    if counts:
        connection.execute(COUNT_PAIRS, _counters(counts))


def _counters(counts: Mapping[Pair, int]) -> Mapping[str, object]:
    return {
        "ones": [one for one, _ in counts],
        "others": [other for _, other in counts],
        "orders": list(counts.values()),
    }
