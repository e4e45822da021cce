"""Recording: what a shadow would have done, kept for the comparator and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outbox.connection import PsycopgConnection

RECORD = """
INSERT INTO intent (subject_ref, step, version, epoch, intents)
SELECT seen.subject_ref, %(step)s, seen.version, seen.epoch, seen.intents::jsonb
FROM unnest(%(subject_refs)s::text[], %(versions)s::bigint[], %(epochs)s::bigint[], %(intents)s::text[])
     AS seen (subject_ref, version, epoch, intents)
ORDER BY seen.subject_ref, seen.version
ON CONFLICT (subject_ref, step, version) DO NOTHING
RETURNING subject_ref, version"""


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A shadow's decision on one event; `intents` is the JSON text of their stored form."""

    subject_ref: str
    version: int
    epoch: int
    intents: str


def record(connection: PsycopgConnection, step: str, shadowed: Sequence[Shadowed]) -> list[bool]:
    """Store a batch of distinct decisions in the caller's transaction; False where one was stored before."""
    if not shadowed:
        return []
    parameters = {
        "step": step,
        "subject_refs": [one.subject_ref for one in shadowed],
        "versions": [one.version for one in shadowed],
        "epochs": [one.epoch for one in shadowed],
        "intents": [one.intents for one in shadowed],
    }
    stored = set(connection.execute(RECORD, parameters).fetchall())
    return [(one.subject_ref, one.version) in stored for one in shadowed]
