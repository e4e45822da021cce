"""What the plan declares as shared by orders: one side keeps it, and its authority is moved by itself.

Stock is written by `inventory.reserve_stock` and `inventory.give_back_stock` only, velocity by `fraud.count_order`,
whoever owns the order.
"""

from __future__ import annotations

from strangler.shared_state import Holder, Shared

stock = Shared(
    what="pieces on hand, by SKU",
    copy_to={
        Holder.NEW: """
            INSERT INTO inventory.stock AS stock (node, sku, on_hand)
            SELECT 'main', sku, on_hand FROM legacy.stock ORDER BY sku COLLATE "C"
            ON CONFLICT (node, sku) DO UPDATE SET on_hand = excluded.on_hand WHERE stock.on_hand <> excluded.on_hand""",
        # Only rows that differ are locked: the nightly batch marks others meanwhile.
        Holder.LEGACY: """
            INSERT INTO legacy.stock AS stock (sku, on_hand)
            SELECT new.sku, new.on_hand FROM inventory.stock AS new
            WHERE new.node = 'main' AND NOT EXISTS (
                SELECT FROM legacy.stock AS old WHERE (old.sku, old.on_hand) = (new.sku, new.on_hand))
            ORDER BY new.sku COLLATE "C"
            ON CONFLICT (sku) DO UPDATE SET on_hand = excluded.on_hand WHERE stock.on_hand <> excluded.on_hand""",
    },
    tally={
        Holder.NEW: "SELECT count(*) AS skus, coalesce(sum(on_hand), 0) AS pieces FROM inventory.stock",
        Holder.LEGACY: "SELECT count(*) AS skus, coalesce(sum(on_hand), 0) AS pieces FROM legacy.stock",
    },
)

# Rows are never changed: what differs is what is not there yet.
velocity = Shared(
    what="orders that a customer placed, by time",
    copy_to={
        Holder.NEW: """
            INSERT INTO fraud.velocity (order_ref, customer_id, amount_minor, counted_at)
            SELECT order_ref, customer_id, amount_minor, counted_at FROM legacy.velocity AS old
            WHERE NOT EXISTS (SELECT FROM fraud.velocity AS new WHERE new.order_ref = old.order_ref)""",
        Holder.LEGACY: """
            INSERT INTO legacy.velocity (order_ref, customer_id, amount_minor, counted_at)
            SELECT order_ref, customer_id, amount_minor, counted_at FROM fraud.velocity AS new
            WHERE NOT EXISTS (SELECT FROM legacy.velocity AS old WHERE old.order_ref = new.order_ref)""",
    },
    tally={
        Holder.NEW: "SELECT count(*) AS orders, coalesce(sum(amount_minor), 0) AS minor FROM fraud.velocity",
        Holder.LEGACY: "SELECT count(*) AS orders, coalesce(sum(amount_minor), 0) AS minor FROM legacy.velocity",
    },
)
