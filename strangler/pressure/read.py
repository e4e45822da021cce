"""Looks at every context and the resumer: topics' ends, lanes' positions, effects, quarantine. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.consumer import lane_of
from outbox.consumer.append_time import appended_ms
from outbox.consumer.lag.figures import GroupLag
from outbox.consumer.lag.read import LagReader
from outbox.errors import PositionLost, Undecodable
from outbox.kafka.codec import from_record
from outbox.kafka.port import Admin, Reader, Record, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from strangler.addresses import Addresses
from strangler.contexts import Context
from strangler.plan import Facets, Plan, Step
from strangler.pressure.figures import Look, Pressure, Queued, pressure_of
from strangler.pressure.hot import Facet, hot

SAMPLE = 500  # records a partition, from the first that is not done: enough to name what is hot, cheap to read

POSITIONS = """
SELECT topic, partition, lane, next_offset FROM position WHERE group_name = %(group)s AND topic = ANY(%(topics)s)"""

QUEUED = """
SELECT count(*), coalesce(extract(epoch FROM now() - min(planned_at)), 0)::float8,
       count(*) FILTER (WHERE state = 'unknown'),
       count(*) FILTER (WHERE state = 'unknown' AND outcome ->> 'status' = '429'),
       count(*) FILTER (WHERE state = 'sent' AND next_attempt_at > now())
FROM effect WHERE step = %(step)s AND state IN ('planned', 'sent', 'unknown')"""

# What anybody may read; pg_stat_activity hides other users' sessions.
CONNECTIONS = """
SELECT sum(numbackends)::float8 / current_setting('max_connections')::integer FROM pg_stat_database"""

PARKED = "SELECT count(*) FROM quarantine WHERE group_name = %(group)s AND resolved_at IS NULL"


@dataclass(frozen=True, slots=True)
class Watched:
    """A context, and how to look at it; `step` is None where it takes over none, and so sends no effects."""

    name: str
    context: Context
    step: Step | None
    connection: PsycopgConnection
    group: str
    topics: Sequence[str]

    def lanes(self) -> dict[TopicPartition, dict[int, int]]:
        """The next offset of each lane, by partition; nothing for a partition that nobody was ever assigned."""
        found: dict[TopicPartition, dict[int, int]] = {}
        for topic, partition, lane, offset in self.connection.execute(
            POSITIONS, {"group": self.group, "topics": list(self.topics)}
        ):
            found.setdefault(TopicPartition(topic, partition), {})[lane] = offset
        return found

    def queued(self) -> Queued:
        if self.step is None:
            return Queued()
        row = self.connection.execute(QUEUED, {"step": self.step.name}).fetchone()
        return Queued() if row is None else Queued(row[0], round(row[1], 1), *row[2:])

    def saturation(self, waiting: Mapping[TopicPartition, Sequence[Record]]) -> dict[str, float]:
        lanes = self.lanes()
        busy = {
            (partition, lane_of(record.key or b"", len(lanes[partition])))
            for partition, records in waiting.items()
            if partition in lanes
            for record in records
        }
        every = sum(len(offsets) for offsets in lanes.values())
        row = self.connection.execute(CONNECTIONS).fetchone()
        found = {"lanes": round(len(busy) / every, 3)} if every else {}
        return found | ({"connections": round(row[0], 3)} if row else {})

    def parked(self) -> int:
        row = self.connection.execute(PARKED, {"group": self.group}).fetchone()
        return 0 if row is None else int(row[0])

    def lag(self, admin: Admin, reader: Reader) -> GroupLag:
        return LagReader(group=self.group, topics=self.topics, admin=admin, reader=reader).read(self.connection)


def read_pressure(
    plan: Plan,
    environ: Mapping[str, str],
    *,
    window_s: float = 1.0,
    pause: Callable[[float], None] = time.sleep,
    promise_of: Callable[[Context], float | None] = lambda _: None,
) -> list[Pressure]:
    """Look twice, `window_s` apart; one pressure for each step that has a new side, in chain order, then for what else
    has run: projections and the resumer.

    Raises `DependencyDown` when Kafka or a context's database does not answer, `BadInput` for a missing address.
    """
    addresses = Addresses(environ)
    with ExitStack() as stack:
        admin = stack.enter_context(closing(PythonAdmin(addresses.kafka)))
        reader = stack.enter_context(closing(PythonReader(addresses.kafka)))
        watched = list(_watched(plan, addresses, stack))
        first = {each.name: _look(each, admin, {}) for each in watched}
        pause(window_s)
        found = []
        for each in watched:
            waiting = _waiting(each, admin, reader)
            last, lag = _look(each, admin, waiting), each.lag(admin, reader)
            events = (_facets(record, plan.facets) for records in waiting.values() for record in records)
            found.append(
                pressure_of(
                    each.name,
                    first[each.name],
                    last,
                    each.queued(),
                    now_ms=round(lag.at * 1_000),
                    parked=each.parked(),
                    promise_s=promise_of(each.context),
                    words="" if each.step is None else each.step.waiting,
                    hot=hot(events),
                    lag=lag,
                    saturation=each.saturation(waiting),
                )
            )
        return found


def _watched(plan: Plan, addresses: Addresses, stack: ExitStack) -> Iterator[Watched]:
    steps = {step.name: step for step in plan.taken_over()}
    for name, context in {**plan.contexts(), **plan.resumer_context()}.items():
        connection = stack.enter_context(closing(addresses.context(context)))
        group, topics = addresses.group(context), addresses.topics(context)
        watched = Watched(name, context, steps.get(name), connection, group, topics)
        if watched.step is not None or watched.lanes():
            yield watched


def _look(each: Watched, admin: Admin, waiting: Mapping[TopicPartition, Sequence[Record]]) -> Look:
    lanes, ends = each.lanes(), admin.end_offsets(each.topics)
    done = sum(sum(offsets.values()) / len(offsets) for partition, offsets in lanes.items() if partition in ends)
    times = [appended_ms(record) for records in waiting.values() for record in records]
    kept = [seconds for seconds in admin.retention_s(each.topics).values() if seconds is not None] if waiting else []
    return Look(time.monotonic(), sum(ends.values()), done, min(times, default=None), min(kept, default=None))


def _waiting(each: Watched, admin: Admin, reader: Reader) -> dict[TopicPartition, list[Record]]:
    """The first records of each partition that their lane has not passed."""
    lanes = each.lanes()
    found = {}
    for partition, end in admin.end_offsets(each.topics).items():
        offsets = lanes.get(partition, {0: 0})
        lowest = min(offsets.values())
        if lowest >= end:
            continue
        try:
            records = reader.read(partition, lowest, SAMPLE)
        except PositionLost:  # outside the log: named as lost
            continue
        found[partition] = [one for one in records if one.offset >= offsets[lane_of(one.key or b"", len(offsets))]]
    return found


def _facets(record: Record, of_plan: Facets | None) -> Sequence[Facet]:
    try:
        received = from_record(record)
        facets = [("tenant", str(received.event.context["tenant"]))] if "tenant" in received.event.context else []
        return [*facets, *(of_plan(received.event) if of_plan is not None else ())]
    except (Undecodable, ValueError):  # what cannot be read has no name; quarantine will speak of it
        return []
