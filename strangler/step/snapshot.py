"""What the outbox's table says of subjects, held against a step's rows beside live consumption, and written where it is
not there or other.

Low and high watermark are ids, which tell the time of the append: what is between them is read in their order, what
came later is live consumption's. Beside it nobody waits: a claim decides who acts, and a row never goes back to an
older version. So it does not matter which of the two comes first to an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from uuid import UUID

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition
from outbox.event import Event, ReceivedEvent
from outbox.kafka.port import TopicPartition
from outbox.structured import parse_dictionary
from strangler.ownership import Owner
from strangler.step.apply import NumberedWrite, writes_of
from strangler.step.backfill import PUT, begin_anew, claim_legacys, legacys
from strangler.step.claim import claim
from strangler.step.handler import Decision, StepHandler
from strangler.step.intents import Write
from strangler.step.rebuild import claimed

Mend = Callable[[PsycopgConnection, Sequence[NumberedWrite]], Set[tuple[str, int]]]  # subjects and versions changed

HIGHEST = "SELECT id FROM outbox.outbox ORDER BY id DESC LIMIT 1"
# In the order of the primary key. Each event is read anew as it was appended: nothing of it has changed since.
CHUNK = """
SELECT id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key
FROM outbox.outbox
WHERE id > %(low)s AND id <= %(high)s AND aggregatetype = ANY(%(types)s)
  AND (%(refs)s::text[] IS NULL OR aggregateid = ANY(%(refs)s))
ORDER BY id LIMIT %(limit)s"""
# A person or an earlier version decides of these, and of what follows them.
PARKED = """
SELECT topic, aggregate_id, min(coalesce(aggregate_version, 0)) FROM quarantine
WHERE group_name = %(group)s AND topic = ANY(%(topics)s) AND resolved_at IS NULL AND aggregate_id = ANY(%(ids)s)
GROUP BY topic, aggregate_id"""
UNDER_WAY = "SELECT next_offset, incarnation FROM strangler.backfill WHERE step = %(step)s"
TABLE = TopicPartition("outbox.outbox", 0)  # in the place of a topic's partition


class SnapshotHandler:
    """An `outbox.consumer.Handler`: claims what nobody has claimed, and mends the rows of what the step has to have.

    Only rows: an event by which the step asks a vendor or tells others is left to live consumption and replays until
    they have claimed it. `theirs`: subjects that legacy owns come too. `applied`: its row was not there, or another.
    """

    def __init__(self, step: str, handler: StepHandler, mend: Mend, *, theirs: bool) -> None:
        self._step, self._handler, self._mend, self._theirs = step, handler, mend, theirs

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        decisions = self._handler.decisions(events)
        new = {one.key: one for one in reversed(decisions) if one.owner is Owner.NEW and _only_rows(one)}
        if new:
            claim(connection, self._step, [one.claim for one in new.values()])
        if self._theirs:
            claim_legacys(connection, self._step, legacys(decisions))
        ours = claimed(connection, self._step, decisions)
        writes = [
            write for one, is_ours in zip(decisions, ours, strict=True) if is_ours for write in writes_of(one.act)
        ]
        mended = self._mend(connection, writes) if writes else set()
        return [_disposition(one, mended, ours=is_ours) for one, is_ours in zip(decisions, ours, strict=True)]


def _only_rows(one: Decision) -> bool:
    return all(isinstance(intent, Write) for intent in one.intents)


def _disposition(one: Decision, mended: Set[tuple[str, int]], *, ours: bool) -> Disposition:
    if not ours:
        return Disposition.NOT_OWNER
    return Disposition.APPLIED if (one.subject_ref, one.version) in mended else Disposition.DUPLICATE


def highest(connection: PsycopgConnection) -> UUID | None:
    """The newest id; None for an empty outbox."""
    row = connection.execute(HIGHEST).fetchone()
    return None if row is None else row[0]


def chunk(
    connection: PsycopgConnection,
    between: tuple[UUID, UUID],
    types: Mapping[str, str],
    refs: Sequence[str] | None,
    limit: int,
) -> list[ReceivedEvent]:
    """The next events above the first id, up to the second; `types` names the topic of each aggregate type."""
    low, high = between
    names = {"low": low, "high": high, "types": list(types), "refs": refs, "limit": limit}
    found = []
    for id_, kind, ref, version, type_, payload, context, traceparent, key in connection.execute(CHUNK, names):
        event = Event(kind, ref, version, type_, bytes(payload), parse_dictionary(context), traceparent, key, id_)
        found.append(ReceivedEvent(event, types[event.aggregate_type], 0, 0, None))
    return found


def not_parked(connection: PsycopgConnection, group: str, events: Sequence[ReceivedEvent]) -> list[ReceivedEvent]:
    """Without those of a subject from the first one on that waits in quarantine: it may wait for an earlier one."""
    names = {"topics": [one.topic for one in events], "ids": [one.event.aggregate_id.encode() for one in events]}
    rows = connection.execute(PARKED, {"group": group, **names})
    parked = {(topic, bytes(ref)): version for topic, ref, version in rows}
    places = ((one.topic, one.event.aggregate_id.encode()) for one in events)
    return [
        one
        for one, place in zip(events, places, strict=True)
        if place not in parked or one.event.aggregate_version < parked[place]
    ]


def under_way(connection: PsycopgConnection, step: str) -> tuple[UUID, UUID] | None:
    """Low and high of one that was stopped. Low is the first id of its millisecond: some events are met again."""
    row = connection.execute(UNDER_WAY, {"step": _name(step)}).fetchone()
    return None if row is None else (UUID(int=row[0] << 80), UUID(row[1]))


def store_under_way(connection: PsycopgConnection, step: str, low: UUID, high: UUID) -> None:
    """All up to `low` is done. In the caller's transaction."""
    place = {"topic": TABLE.topic, "partition": TABLE.partition, "at": low.int >> 80, "incarnation": str(high)}
    connection.execute(PUT, {"step": _name(step), **place})


def end_under_way(connection: PsycopgConnection, step: str) -> None:
    """It has ended, or the next one begins anew."""
    begin_anew(connection, _name(step))


def _name(step: str) -> str:
    """No step's: those have no colon."""
    return f"{step}:snapshot"
