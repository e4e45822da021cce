"""The oracle of the tail: what each accepted order calls for, whoever owns it, from the monolith's rows alone.

It shares no code with the seams, the monolith's steps or the new side's: a third opinion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from outbox import PsycopgConnection
from strangler.facts import Fact

# What is told of an order counts one more than the monolith does: that it was received. So placing, at the full price,
# is its version 2, and each cancellation made one more than the version that stands with it.
PLACED = 2
MAILS = """
SELECT o.order_ref, o.customer_id, 2 AS version, 'order_confirmation' AS template,
       o.order_ref AS subject_ref, sum(l.quantity * l.unit_price_minor)::bigint AS total_minor
FROM legacy.orders o JOIN legacy.order_line l USING (order_ref)
WHERE o.status NOT IN ('pending', 'rejected')
GROUP BY o.order_ref
UNION ALL
SELECT o.order_ref, o.customer_id, c.version + 1, 'cancellation_confirmation', c.cancellation_ref,
       c.refund_minor
FROM legacy.orders o JOIN legacy.cancellation c USING (order_ref)
ORDER BY order_ref, version"""

# Arrays keep the lines' order, so that the text can be put together here.
DOCUMENTS = """
SELECT o.order_ref, o.subject_version AS version, o.status, o.channel, o.merchant_id, o.customer_id, o.country,
       o.placed_at,
       coalesce(sum((l.quantity - l.cancelled) * l.unit_price_minor), 0)::bigint AS total_minor,
       array_agg(l.sku ORDER BY l.line_no) FILTER (WHERE l.quantity > l.cancelled) AS skus,
       array_agg(l.description ORDER BY l.line_no) FILTER (WHERE l.quantity > l.cancelled) AS descriptions
FROM legacy.orders o JOIN legacy.order_line l USING (order_ref)
WHERE o.status NOT IN ('pending', 'rejected')
GROUP BY o.order_ref ORDER BY o.order_ref"""

# Bytes decide between SKUs of one value, not the database's language.
BASKETS = """
SELECT ranked.order_ref, o.customer_id, o.status, o.subject_version AS version,
       array_agg(ranked.sku ORDER BY ranked.rank) AS skus
FROM (SELECT order_ref, sku, row_number() OVER (PARTITION BY order_ref
             ORDER BY sum(quantity * unit_price_minor) DESC, sku COLLATE "C") AS rank
      FROM legacy.order_line GROUP BY order_ref, sku) AS ranked
JOIN legacy.orders o USING (order_ref)
WHERE ranked.rank <= 5 AND o.status NOT IN ('pending', 'rejected')
GROUP BY ranked.order_ref, o.order_ref ORDER BY o.order_ref"""


def expected_mails(connection: PsycopgConnection) -> Iterator[Fact]:
    """One mail for each version of an order."""
    for row in rows_of(connection, MAILS):
        name = f"customer-{row['customer_id']}" if row["customer_id"] else f"guest-{row['order_ref'][:8]}"
        mail = {"to": name + "@example.invalid"}
        mail |= {field: row[field] for field in ("template", "order_ref", "subject_ref", "total_minor")}
        yield _fact(row, mail)


def expected_documents(connection: PsycopgConnection) -> Iterator[Fact]:
    """One document for each order, of its newest version."""
    kept = ("order_ref", "version", "status", "channel", "merchant_id", "customer_id", "country", "placed_at")
    for row in rows_of(connection, DOCUMENTS):
        document = {field: row[field] for field in (*kept, "total_minor")}
        document["skus"] = sorted(set(row["skus"] or ()))
        document["text"] = " | ".join(row["descriptions"] or ()).lower()
        yield _fact(row, document)


def expected_baskets(connection: PsycopgConnection) -> Iterator[Fact]:
    """One basket for each order: as placed, or empty since the version that cancelled the last piece."""
    for row in rows_of(connection, BASKETS):
        emptied = row["status"] == "cancelled"
        placed = {**row, "version": row["version"] if emptied else PLACED, "skus": [] if emptied else row["skus"]}
        yield _fact(placed, {field: placed[field] for field in ("order_ref", "version", "customer_id", "skus")})


def rows_of(connection: PsycopgConnection, sql: str) -> Iterator[dict[str, Any]]:
    """A query's rows by name."""
    cursor = connection.execute(sql)
    names = [column.name for column in cursor.description or ()]
    for values in cursor:
        yield dict(zip(names, values, strict=True))


def _fact(row: Mapping[str, Any], fields: Mapping[str, Any]) -> Fact:
    return Fact(row["order_ref"], 100 * row["version"], row["version"], fields)
