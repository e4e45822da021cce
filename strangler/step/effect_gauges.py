"""How many effects wait for each vendor, and since when: read from the context's table when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager

from outbox.catalogue import Sample
from outbox.connection import PsycopgConnection
from outbox.consumer import Observe
from outbox.consumer.settings import Measure
from outbox.one_look import OneLook

LOOK_S = 5.0  # a scrape waits no longer; Prometheus gives it 10 s

_WAITING = """
SELECT vendor, state, count(*), extract(epoch FROM now() - min(planned_at))::float8 FROM effect
WHERE step = %s AND state IN ('planned', 'sent', 'unknown') GROUP BY vendor, state"""


@contextmanager
def told_gauges(
    observe: Observe,
    connect: Callable[[], PsycopgConnection],
    step: str,
    vendors: Collection[str],
    in_use: Callable[[], Iterable[Sample]],
) -> Iterator[None]:
    """Inside, an observer that measures asks for what waits, one look at a time, and for what is in use."""
    if not isinstance(observe, Measure):
        yield
        return
    with ExitStack() as ends:
        waiting = OneLook(lambda: list(effects_waiting(connect, step, frozenset(vendors))), LOOK_S)
        ends.callback(observe.source(waiting))
        ends.callback(observe.source(in_use))
        yield


def effects_waiting(connect: Callable[[], PsycopgConnection], step: str, vendors: frozenset[str]) -> Iterator[Sample]:
    """Every vendor has its series, also at 0."""
    with closing(connect()) as connection:
        rows = connection.execute(_WAITING, [step]).fetchall()
    yield from samples(rows, vendors)


def samples(rows: Sequence[tuple[str, str, int, float]], vendors: frozenset[str]) -> Iterator[Sample]:
    """Of vendor, state, how many, and the age of the oldest."""
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
