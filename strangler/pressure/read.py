"""Looks at every context and the resumer: topics' ends, lanes' positions, effects, quarantine. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

from outbox.connection import PsycopgConnection
from outbox.consumer.lag.backlog import backlog_of
from outbox.consumer.lag.hot import Facet
from outbox.consumer.lag.read import LagReader, Looked
from outbox.kafka.codec import from_record
from outbox.kafka.port import Admin, Reader, Record, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from strangler.addresses import Addresses
from strangler.contexts import Context
from strangler.plan import Facets, Plan, Step
from strangler.pressure.figures import LogReading, Pressure, Queued, pressure_of

QUEUED = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(planned_at)), 0)::float8,
       count(*) FILTER (WHERE state = 'unknown'),
       count(*) FILTER (WHERE state = 'unknown' AND outcome ->> 'status' = '429'),
       count(*) FILTER (WHERE state = 'sent' AND next_attempt_at > now())
FROM effect WHERE step = %(step)s AND state IN ('planned', 'sent', 'unknown')"""

# What anybody may read; pg_stat_activity hides other users' sessions.
CONNECTIONS = """
SELECT sum(numbackends)::float8 / current_setting('max_connections')::integer FROM pg_stat_database"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A context, and how to look at it; `step` is None where it takes over none, and so sends no effects."""

    name: str
    context: Context
    step: Step | None
    connection: PsycopgConnection
    lag: LagReader
    topics: Sequence[str]

    def queued(self) -> Queued:
        if self.step is None:
            return Queued()
        row = self.connection.execute(QUEUED, {"step": self.step.name}).fetchone()
        return Queued() if row is None else Queued(row[0], round(row[1], 1), *row[2:])

    def saturation(self, looked: Looked) -> dict[str, float]:
        lanes = {one.partition: len(one.lanes) for one in looked.positions}
        busy = {(partition, one.lane) for partition, waits in looked.waiting.items() for one in waits}
        busy = {(partition, lane) for partition, lane in busy if lane < lanes.get(partition, 0)}
        every = sum(lanes.values())
        row = self.connection.execute(CONNECTIONS).fetchone()
        found = {"lanes": round(len(busy) / every, 3)} if every else {}
        return found | ({"connections": round(row[0], 3)} if row else {})


class PressureReader:
    """Looks at the pressure of a plan's contexts, as often as it is asked to, over connections of its own. Close it.

    Each step that has a new side, in chain order, then what else has run: projections and the resumer.
    Raises `DependencyDown` when Kafka or a context's database does not answer, `BadInput` for a missing address; then
    make a new one.
    """

    def __init__(
        self,
        plan: Plan,
        environ: Mapping[str, str],
        promise_of: Callable[[Context], float | None] = lambda _: None,
    ) -> None:
        self._promise_of, self._before = promise_of, dict[str, Looked]()
        addresses = Addresses(environ)
        with ExitStack() as opened:
            self._admin = opened.enter_context(closing(PythonAdmin(addresses.kafka)))
            reader = opened.enter_context(closing(PythonReader(addresses.kafka)))
            self._watched = list(_watched(plan, addresses, opened, self._admin, reader))
            self._opened = opened.pop_all()

    def close(self) -> None:
        self._opened.close()

    def read(self, window_s: float = 1.0, pause: Callable[[float], None] = time.sleep) -> list[Pressure]:
        """What has changed over so many seconds; the look that ended the last window begins the next."""
        first = self._before or self._look()
        pause(window_s)
        last = self._before = self._look()
        return [
            self._pressure(each, first.get(each.name, last[each.name]), last[each.name])
            for each in self._watched
            if each.name in last
        ]

    def _look(self) -> dict[str, Looked]:
        looks = ((each, each.lag.look(each.connection)) for each in self._watched)
        return {each.name: looked for each, looked in looks if each.step is not None or looked.positions}

    def _pressure(self, each: Watched, first: Looked, last: Looked) -> Pressure:
        waiting = [one for waits in last.waiting.values() for one in waits]
        kept = self._admin.retention_s(each.topics).values() if waiting else ()
        return pressure_of(
            each.name,
            _log(first),
            replace(
                _log(last),
                oldest_ms=min((one.appended_ms for one in waiting), default=None),
                kept_s=min((seconds for seconds in kept if seconds is not None), default=None),
            ),
            each.queued(),
            now_ms=round(last.lag.at * 1_000),
            parked=last.parked,
            promise_s=self._promise_of(each.context),
            words="" if each.step is None else each.step.waiting,
            lag=last.lag,
            saturation=each.saturation(last),
        )


def read_pressure(
    plan: Plan,
    environ: Mapping[str, str],
    *,
    window_s: float = 1.0,
    promise_of: Callable[[Context], float | None] = lambda _: None,
) -> list[Pressure]:
    """Look twice, `window_s` apart."""
    with closing(PressureReader(plan, environ, promise_of)) as reader:
        return reader.read(window_s)


def _watched(plan: Plan, addresses: Addresses, opened: ExitStack, admin: Admin, reader: Reader) -> Iterator[Watched]:
    steps = {step.name: step for step in plan.taken_over()}
    facets_of = partial(_facets, of_plan=plan.facets)
    for name, context in {**plan.contexts(), **plan.resumer_context()}.items():
        connection = opened.enter_context(closing(addresses.context(context)))
        group, topics = addresses.group(context), addresses.topics(context)
        lag = LagReader(group=group, topics=topics, admin=admin, reader=reader, facets_of=facets_of)
        yield Watched(name, context, steps.get(name), connection, lag, topics)


def _log(looked: Looked) -> LogReading:
    known = ((TopicPartition(one.topic, one.partition), one.end_offset) for one in looked.lag.partitions)
    counted = backlog_of(looked.positions, {partition: end for partition, end in known if end is not None})
    return LogReading(looked.lag.at, round(counted.end), counted.done)


def _facets(record: Record, of_plan: Facets | None) -> Sequence[Facet]:
    if of_plan is None:
        return []
    try:
        return list(of_plan(from_record(record).event))
    except Exception:  # noqa: BLE001 - the plan's own function; what cannot be read has no name, quarantine speaks of it
        return []
