"""Recording: what a shadow would have done, kept for the comparator and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection

RECORD = """
INSERT INTO intent (order_ref, step, version, epoch, intents)
SELECT seen.order_ref, %(step)s, seen.version, seen.epoch, seen.intents::jsonb
FROM unnest(%(order_refs)s::text[], %(versions)s::bigint[], %(epochs)s::bigint[], %(intents)s::text[])
     AS seen (order_ref, version, epoch, intents)
ORDER BY seen.order_ref, seen.version
ON CONFLICT (order_ref, step, version) DO NOTHING
RETURNING order_ref, version"""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A shadow's decision on one event; `intents` is the JSON text of their stored form."""

    order_ref: str
    version: int
    epoch: int
    intents: str


def record(connection: PsycopgConnection, step: str, shadowed: Sequence[Shadowed]) -> list[bool]:
    """Store a batch of distinct decisions in the caller's transaction; False where one was stored before."""
    if not shadowed:
        return []
    parameters = {
        "step": step,
        "order_refs": [one.order_ref for one in shadowed],
        "versions": [one.version for one in shadowed],
        "epochs": [one.epoch for one in shadowed],
        "intents": [one.intents for one in shadowed],
    }
    stored = set(connection.execute(RECORD, parameters).fetchall())
    return [(one.order_ref, one.version) in stored for one in shadowed]
