"""One run, one transaction: the handler's effects, parked records and the lane's position, together or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from outbox.checkpoints import Checkpoints
from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Disposition, Handler, Poison
from outbox.consumer.lanes import Run
from outbox.consumer.positions import advance
from outbox.consumer.quarantine import park, still_open
from outbox.consumer.triage import Decode, Triage, triage
from outbox.event import SourcePosition


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a committed run did, and what its lane must remember."""

    last: SourcePosition | None
    dispositions: Mapping[Disposition, int]
    parked_keys: frozenset[bytes]
    freed_keys: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Application:
    """What every run of a runtime shares."""

    group: str
    handler: Handler
    decode: Decode
    checkpoints: Checkpoints


def apply_run(connection: PsycopgConnection, run: Run, how: Application, condemned: dict[int, str]) -> Outcome:
    """Run it to its commit; a poisoned event is parked and the rest tried again, at most once per event.

    `condemned` maps offsets that are to be parked to their reasons; what the handler condemns is added.
    Raises what the handler or the database raised, `Fenced` or `Overtaken`, with everything rolled back.
    """
    while True:
        sorted_run: Triage | None = None
        try:
            with connection.transaction():
                candidates = run.parked_keys & {record.key for record in run.records if record.key is not None}
                blocked = still_open(connection, how.group, run.assigned.partition.topic, candidates)
                sorted_run = triage(run.records, how.decode, last=run.last, blocked=blocked, condemned=condemned)
                dispositions = _commit_ready(connection, run, sorted_run, how)
        except Poison as poison:
            if sorted_run is None or not 0 <= poison.index < len(sorted_run.events):
                raise IndexError(f"the handler condemned event {poison.index} of another batch") from poison
            condemned[sorted_run.events[poison.index].offset] = poison.reason
            continue
        how.checkpoints.reach("consumer.committed")
        return Outcome(sorted_run.last, dispositions, sorted_run.parked_keys, frozenset(candidates - blocked))


def _commit_ready(
    connection: PsycopgConnection, run: Run, sorted_run: Triage, how: Application
) -> Mapping[Disposition, int]:
    dispositions = Counter(how.handler(connection, sorted_run.events) if sorted_run.events else ())
    if dispositions.total() != len(sorted_run.events):
        raise ValueError(
            f"the handler answered {dispositions.total()} dispositions for {len(sorted_run.events)} events"
        )
    how.checkpoints.reach("consumer.handled")
    park(connection, how.group, run.assigned, sorted_run.parked)
    advance(connection, how.group, run, sorted_run.last)
    how.checkpoints.reach("consumer.positioned")
    dispositions[Disposition.PARKED] += len(sorted_run.parked)
    dispositions[Disposition.DUPLICATE] += sorted_run.duplicates
    return +dispositions
