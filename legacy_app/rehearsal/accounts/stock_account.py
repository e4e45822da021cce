"""Whether stock adds up: what arrived is at hand or held, and each order holds what it should."""

from __future__ import annotations

from dataclasses import dataclass

from outbox import PsycopgConnection

FIRST_DELIVERY = 1_000_000  # a SKU never seen before arrives with that many pieces

# Stock is where its authority says.
AT_HAND = """
WITH authority AS MATERIALIZED (SELECT inventory.stock_holder() AS holder),
stock AS (
    SELECT sku, on_hand FROM legacy.stock, authority WHERE holder <> 'new'
    UNION ALL
    SELECT sku, on_hand FROM inventory.stock, authority WHERE holder = 'new'),
held AS (SELECT sku, sum(pieces) AS pieces FROM inventory.stock_hold GROUP BY sku)
SELECT coalesce(sum(abs(coalesce(stock.on_hand, 0) + coalesce(held.pieces, 0) - %(first_delivery)s)), 0),
       count(*) FILTER (WHERE coalesce(stock.on_hand, -1) < 0)
FROM stock FULL JOIN held USING (sku)"""

# Orders hold what was not cancelled, rejected and unknown ones nothing. A pending order holds all of it or nothing yet.
HELD = """
WITH held AS (SELECT order_ref, sku, sum(pieces) AS pieces FROM inventory.stock_hold GROUP BY order_ref, sku),
wanted AS (
    SELECT orders.order_ref, line.sku, orders.status,
           sum(CASE orders.status WHEN 'rejected' THEN 0 ELSE line.quantity - line.cancelled END) AS pieces
    FROM legacy.orders JOIN legacy.order_line AS line USING (order_ref)
    GROUP BY orders.order_ref, line.sku),
each AS (
    SELECT coalesce(held.pieces, 0) AS held, coalesce(wanted.pieces, 0) AS wanted
    FROM held FULL JOIN wanted USING (order_ref, sku)
    WHERE NOT (wanted.status IS NOT DISTINCT FROM 'pending' AND coalesce(held.pieces, 0) IN (0, wanted.pieces)))
SELECT coalesce(sum(greatest(held - wanted, 0)), 0), coalesce(sum(greatest(wanted - held, 0)), 0) FROM each"""


@dataclass(frozen=True, slots=True)
class StockAccount:
    """In pieces, but for `oversold_skus`. `unaccounted`: neither at hand nor held, or both. `kept`: held for orders
    beyond what they have. `lost`: sold to orders and not held for them.
    """

    unaccounted: int
    oversold_skus: int
    kept: int
    lost: int


def account_for_stock(connection: PsycopgConnection) -> StockAccount:
    """For a system at rest."""
    unaccounted, oversold = connection.execute(AT_HAND, {"first_delivery": FIRST_DELIVERY}).fetchone() or (0, 0)
    kept, lost = connection.execute(HELD).fetchone() or (0, 0)
    return StockAccount(int(unaccounted), int(oversold), int(kept), int(lost))
