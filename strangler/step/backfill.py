"""Orders from before a step's shadow: their rows are written from the topics' past, by chunks, beside live consumption.

The log is read from its first record to where the context's consumer stands. A chunk's rows, their claims and its
watermark commit together: stopped anywhere, it goes on there. What the new side owns is left to live consumption.
A watermark never passes an event that was skipped, and holds for one incarnation of its topic.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition
from outbox.event import ReceivedEvent
from outbox.kafka.port import TopicPartition
from strangler.errors import RefusedError
from strangler.ownership import Owner
from strangler.step.apply import ApplyWrites, writes_of
from strangler.step.handler import Decision, StepHandler

# One order of keys, as for every claim.
CLAIM = """
INSERT INTO claim (subject_ref, step, number, kind, epoch)
SELECT wanted.subject_ref, %(step)s, wanted.number, 'backfilled', wanted.epoch
FROM unnest(%(subject_refs)s::text[], %(numbers)s::integer[], %(epochs)s::bigint[])
     AS wanted (subject_ref, number, epoch)
ORDER BY wanted.subject_ref, wanted.number
ON CONFLICT (subject_ref, step, number) DO NOTHING
RETURNING subject_ref, number"""

PUT = """
INSERT INTO strangler.backfill (step, topic, partition, next_offset, incarnation)
VALUES (%(step)s, %(topic)s, %(partition)s, %(at)s, %(incarnation)s)
ON CONFLICT (step, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset, incarnation = excluded.incarnation, finished_at = NULL"""

FINISH = """
UPDATE strangler.backfill SET finished_at = now()
WHERE step = %(step)s AND topic = %(topic)s AND partition = %(partition)s"""

# One of an older release has no incarnation: it begins again, and the claims say what is there.
WATERMARKS = """
SELECT topic, partition, next_offset, incarnation FROM strangler.backfill
WHERE step = %(step)s AND incarnation IS NOT NULL ORDER BY topic, partition"""

FORGET = "DELETE FROM strangler.backfill WHERE step = %(step)s"

BEGUN = "SELECT FROM strangler.backfill WHERE step = %(step)s LIMIT 1"

DONE = """
SELECT bool_and(finished_at IS NOT NULL AND incarnation IS NOT NULL) FROM strangler.backfill WHERE step = %(step)s"""


class BackfillHandler:
    """An `outbox.consumer.Handler` that writes the rows of subjects which legacy owns, once, and nothing else: their
    mails and charges were legacy's.
    """

    def __init__(self, step: str, handler: StepHandler, apply_writes: ApplyWrites) -> None:
        self._step, self._handler, self._apply_writes = step, handler, apply_writes

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        decisions = self._handler.decisions(events)
        theirs = legacys(decisions)
        won = claim_legacys(connection, self._step, theirs)
        writes = [write for key, one in theirs.items() if key in won for write in writes_of(one.act)]
        if writes:
            self._apply_writes(connection, writes)
        return [_disposition((one.subject_ref, one.number), theirs, won) for one in decisions]


def legacys(decisions: Sequence[Decision]) -> dict[tuple[str, int], Decision]:
    """What the step would do of subjects that it does not own."""
    return {(one.subject_ref, one.number): one for one in decisions if one.owner is not Owner.NEW and one.intents}


def claim_legacys(
    connection: PsycopgConnection, step: str, theirs: Mapping[tuple[str, int], Decision]
) -> set[tuple[str, int]]:
    """Those that were not brought before."""
    parameters = {
        "step": step,
        "subject_refs": [one.subject_ref for one in theirs.values()],
        "numbers": [one.number for one in theirs.values()],
        "epochs": [one.epoch for one in theirs.values()],
    }
    return {(ref, number) for ref, number in connection.execute(CLAIM, parameters)} if theirs else set()


def _disposition(key: tuple[str, int], theirs: Container[tuple[str, int]], won: set[tuple[str, int]]) -> Disposition:
    if key in won:
        won.discard(key)  # a relay's repeat may share the batch
        return Disposition.APPLIED
    return Disposition.DUPLICATE if key in theirs else Disposition.NOT_OWNER


def watermarks(
    connection: PsycopgConnection, step: str, incarnations: Mapping[str, str]
) -> Mapping[TopicPartition, int]:
    """Where the backfill of a step goes on. `incarnations`: of its topics; `RefusedError` when one was made anew."""
    found = {}
    for topic, partition, at, incarnation in connection.execute(WATERMARKS, {"step": step}):
        if incarnation != incarnations.get(topic):
            raise RefusedError(
                f"refused: {topic} was made anew since {step} was backfilled from it up to {topic}-{partition}@{at}; "
                f"append again from the source of truth what only the old one had, then give --anew"
            )
        found[TopicPartition(topic, partition)] = at
    return found


def store_watermark(
    connection: PsycopgConnection, step: str, partition: TopicPartition, at: int, incarnation: str
) -> None:
    """All before it is backfilled. In the caller's transaction."""
    place = {"step": step, "topic": partition.topic, "partition": partition.partition}
    connection.execute(PUT, {**place, "at": at, "incarnation": incarnation})


def finish(
    connection: PsycopgConnection, step: str, went_to: Mapping[TopicPartition, int], incarnations: Mapping[str, str]
) -> None:
    """The backfill has come as far as the consumer. In the caller's transaction."""
    for partition, at in sorted(went_to.items()):
        store_watermark(connection, step, partition, at, incarnations[partition.topic])
        connection.execute(FINISH, {"step": step, "topic": partition.topic, "partition": partition.partition})


def begin_anew(connection: PsycopgConnection, step: str) -> None:
    """Forget the watermarks: the backfill begins at the first records. What is there is known by its claim."""
    connection.execute(FORGET, {"step": step})


def is_begun(connection: PsycopgConnection, step: str) -> bool:
    """Whether legacy's subjects have been brought, if only in part."""
    return connection.execute(BEGUN, {"step": step}).fetchone() is not None


def is_backfilled(connection: PsycopgConnection, step: str) -> bool:
    """Whether it has been as far as the consumer; False where it never ran."""
    row = connection.execute(DONE, {"step": step}).fetchone()
    return bool(row and row[0])
