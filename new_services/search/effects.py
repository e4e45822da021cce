"""Writes documents: one per order, never back to an older version."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import PsycopgConnection
from strangler.step.apply import NumberedWrite
from strangler.step.storable import encode

# Rows in key order, so that lanes that repair and apply side by side do not deadlock.
PUT_DOCUMENTS = """
INSERT INTO document (order_ref, version, body)
SELECT given.order_ref, given.version, given.body::jsonb
FROM unnest(%(order_refs)s::text[], %(versions)s::bigint[], %(bodies)s::text[]) AS given (order_ref, version, body)
ORDER BY given.order_ref
ON CONFLICT (order_ref) DO UPDATE
SET version = excluded.version, body = excluded.body, indexed_at = now()
WHERE document.version < excluded.version"""


def apply_writes(connection: PsycopgConnection, writes: Sequence[NumberedWrite]) -> None:
    """Write the newest document of each order of the batch."""
    newest = {each.order_ref: each for each in sorted(writes, key=lambda each: each.version)}
    parameters = {
        "order_refs": list(newest),
        "versions": [each.version for each in newest.values()],
        "bodies": [encode(each.write.values) for each in newest.values()],
    }
    connection.execute(PUT_DOCUMENTS, parameters)
