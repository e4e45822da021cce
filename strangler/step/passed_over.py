"""Marks of what a step has passed over: a version that says nothing to it is handled too, and is not waited for."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import PsycopgConnection

# In the order of keys: two batches that share subjects wait for each other instead of deadlocking.
MARK = """
INSERT INTO passed_over (subject_ref, step, version)
SELECT DISTINCT given.subject_ref, %(step)s, given.version
FROM unnest(%(subject_refs)s::text[], %(versions)s::bigint[]) AS given (subject_ref, version)
ORDER BY given.subject_ref, given.version
ON CONFLICT DO NOTHING"""


def mark(connection: PsycopgConnection, step: str, passed: Sequence[tuple[str, int]]) -> None:
    """By reference and version, in the caller's transaction."""
    if passed:
        refs, versions = map(list, zip(*passed, strict=True))
        connection.execute(MARK, {"step": step, "subject_refs": refs, "versions": versions})
