"""What must add up on the new side: each order is counted once among what is bought together, each mail sent once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import psycopg

from legacy_app.vendor_ledger import read_ledger
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


@dataclass(frozen=True, slots=True)
class Invariants:
    """`pairs_*`: counts of article pairs above and below what the baskets say. `mails_doubled`: mails beyond the first
    of one order, template and subject in the gateway's ledger. `doubled` and `lost` are their sums.
    """

    pairs_doubled: int
    pairs_lost: int
    mails_doubled: int

    @property
    def doubled(self) -> int:
        return self.pairs_doubled + self.mails_doubled

    @property
    def lost(self) -> int:
        return self.pairs_lost


def check_invariants(dsn: str, vendors_url: str) -> Invariants:
    """For a system at rest: a mail or basket under way is seen half."""
    bodies = (entry["body"] for entry in read_ledger(vendors_url, "mail"))
    mails = Counter((body["order_ref"], body["template"], body["subject_ref"]) for body in bodies)
    try:
        with psycopg.connect(dsn, connect_timeout=5, options="-c statement_timeout=60s") as connection:
            row = connection.execute(AFFINITY).fetchone()
    except psycopg.OperationalError as error:
        raise DependencyDown(
            f"PostgreSQL does not answer: {str(error).splitlines()[0]}; check STRANGLER_DSN"
        ) from error
    doubled, lost = row if row is not None else (0, 0)
    return Invariants(int(doubled), int(lost), sum(count - 1 for count in mails.values()))
