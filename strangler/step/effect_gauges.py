"""How many effects wait for each vendor, and since when: read from the context's table when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from outbox.catalogue import Sample
from outbox.connection import PsycopgConnection

_WAITING = """
SELECT vendor, state, count(*), extract(epoch FROM now() - min(planned_at))::float8 FROM effect
WHERE step = %s AND state IN ('planned', 'sent', 'unknown') GROUP BY vendor, state"""


def effects_waiting(connect: Callable[[], PsycopgConnection], step: str, vendors: frozenset[str]) -> Iterator[Sample]:
    """Every vendor has its series, also at 0."""
    with closing(connect()) as connection:
        rows = connection.execute(_WAITING, [step]).fetchall()
    counts = {(vendor, state): count for vendor, state, count, _ in rows}
    for vendor in sorted(vendors | {row[0] for row in rows}):
        for state in ("planned", "sent", "unknown"):
            labels = {"vendor": vendor, "state": state}
            yield Sample("effect_waiting", counts.get((vendor, state), 0), labels)
        oldest_s = max((row[3] for row in rows if row[0] == vendor), default=0.0)
        yield Sample("effect_waiting_seconds", oldest_s, {"vendor": vendor})


def saturated(
    limits: Mapping[str, tuple[float | None, bool]], calls: Mapping[str, int], concurrency: int
) -> Iterator[Sample]:
    """What is in use of the sender's calls, and how far each vendor has asked for restraint."""
    yield Sample("effect_call_slots", concurrency, {})
    for vendor, (rate, is_open) in limits.items():
        yield Sample("effect_calls_in_use", calls.get(vendor, 0), {"vendor": vendor})
        yield Sample("effect_rate_limit", rate or 0.0, {"vendor": vendor})
        yield Sample("effect_breaker_open", int(is_open), {"vendor": vendor})
