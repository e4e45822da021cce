"""Stock as the plan declares it: orders share it, so one side keeps it, and its authority is moved by itself.

It is written by `inventory.reserve_stock` and `inventory.give_back_stock` only, whoever owns the order.
"""

from __future__ import annotations

from strangler.authority import Holder, Shared

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
