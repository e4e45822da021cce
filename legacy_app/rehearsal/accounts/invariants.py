"""What must add up: each order counted once among what is bought together, mailed and charged once, its stock held."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import psycopg

from legacy_app.rehearsal.accounts.charges import read_charges
from legacy_app.rehearsal.accounts.stock_account import account_for_stock
from legacy_app.rehearsal.accounts.velocity_account import account_for_velocity
from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger
from strangler.errors import DependencyDown

# Pairs counted again from the baskets, against the counters that were moved event by event.
AFFINITY = """
WITH basket AS (
    SELECT order_ref, jsonb_array_elements_text(skus) AS sku FROM recommendation.basket),
wanted AS (
    SELECT least(one.sku, other.sku) AS sku_a, greatest(one.sku, other.sku) AS sku_b, count(*) AS orders
    FROM basket AS one JOIN basket AS other ON one.order_ref = other.order_ref
    WHERE one.sku COLLATE "C" < other.sku COLLATE "C"
    GROUP BY 1, 2)
SELECT coalesce(sum(greatest(coalesce(affinity.orders, 0) - coalesce(wanted.orders, 0), 0)), 0),
       coalesce(sum(greatest(coalesce(wanted.orders, 0) - coalesce(affinity.orders, 0), 0)), 0)
FROM recommendation.affinity FULL JOIN wanted USING (sku_a, sku_b)"""


# What fraud's late review has cancelled is given back: its charge is neither lost nor refunded unwanted.
ACCEPTED = """
SELECT order_ref FROM legacy.orders WHERE status NOT IN ('pending', 'rejected') AND NOT EXISTS (
    SELECT FROM legacy.cancellation
    WHERE cancellation.order_ref = orders.order_ref AND cancellation_ref = 'fraud-review')"""


@dataclass(frozen=True, slots=True)
class Invariants:
    """`pairs_*`: counts of article pairs above and below what the baskets say. `mails_doubled`: mails beyond the first
    of one order, template and subject in the gateway's ledger. `pieces_*` and `oversold_skus`: see `StockAccount`.
    `charges_doubled`: beyond an order's first, `charges_lost`: accepted orders without one, `refunds_unwanted`: of
    accepted orders. `velocity_*`: see `VelocityAccount`. `doubled` and `lost` are their sums.
    """

    pairs_doubled: int
    pairs_lost: int
    mails_doubled: int
    pieces_unaccounted: int
    pieces_kept: int
    pieces_lost: int
    oversold_skus: int
    charges_doubled: int
    charges_lost: int
    refunds_unwanted: int
    velocity_unwanted: int
    velocity_uncounted: int

    @property
    def doubled(self) -> int:
        return (
            self.pairs_doubled + self.mails_doubled + self.pieces_kept + self.charges_doubled + self.velocity_unwanted
        )

    @property
    def lost(self) -> int:
        pieces = self.pieces_unaccounted + self.pieces_lost + self.oversold_skus
        return self.pairs_lost + pieces + self.charges_lost + self.refunds_unwanted + self.velocity_uncounted


def check_invariants(dsn: str, vendors_url: str) -> Invariants:
    """For a system at rest: a mail, charge or basket under way is seen half."""
    bodies = (entry["body"] for entry in read_ledger(vendors_url, "mail"))
    mails = Counter((body["order_ref"], body["template"], body["subject_ref"]) for body in bodies)
    charges = read_charges(vendors_url)
    try:
        with psycopg.connect(dsn, connect_timeout=5, options="-c statement_timeout=60s") as connection:
            pairs_doubled, pairs_lost = connection.execute(AFFINITY).fetchone() or (0, 0)
            stock, velocity = account_for_stock(connection), account_for_velocity(connection)
            accepted = {order_ref for (order_ref,) in connection.execute(ACCEPTED)}
    except psycopg.OperationalError as error:
        raise DependencyDown(
            f"PostgreSQL does not answer: {str(error).splitlines()[0]}; check STRANGLER_DSN"
        ) from error
    kept = Counter(charge.order_ref for charge in charges if not charge.refunded)
    return Invariants(
        pairs_doubled=int(pairs_doubled),
        pairs_lost=int(pairs_lost),
        mails_doubled=sum(count - 1 for count in mails.values()),
        pieces_unaccounted=stock.unaccounted,
        pieces_kept=stock.kept,
        pieces_lost=stock.lost,
        oversold_skus=stock.oversold_skus,
        charges_doubled=sum(count - 1 for count in kept.values()),
        charges_lost=len(accepted - kept.keys()),
        refunds_unwanted=sum(charge.refunded and charge.order_ref in accepted for charge in charges),
        velocity_unwanted=velocity.unwanted,
        velocity_uncounted=velocity.uncounted,
    )
