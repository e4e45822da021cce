"""One run, one transaction: the handler's effects, parked records and the lane's position, together or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Disposition, Poison
from outbox.consumer.in_parts import in_parts
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.positions import advance
from outbox.consumer.partitions.run import Run
from outbox.consumer.quarantine.parking import park, still_open
from outbox.consumer.triage import BEHIND, Triage


def apply_run(connection: PsycopgConnection, run: Run, how: Application, condemned: dict[int, str]) -> Outcome:
    """Run it to its commit. A poisoned event is parked, and the run ends with it: what follows is another run.

    So is an event that fails for now, if others stand before it: they are committed, and the outcome names it.
    With the shorter runs that follow, poison costs each event a second handling or so, however much of it there is.
    `condemned` maps offsets that are to be parked to their reasons; what the handler condemns is added. Raises what
    the handler or the database raised, `Doubtful`, `Fenced`, `Overtaken` or `Flooded`, with everything rolled back.
    """
    while True:
        sorted_run: Triage | None = None
        try:
            with connection.transaction():
                candidates = _waited_for(run)
                blocked = still_open(connection, how.group, run.assigned.partition.topic, candidates)
                sorted_run = how.sort(run, blocked, condemned)
                given = in_parts(connection, run, sorted_run.events, how)
                if given.failed is not None:
                    run.decoded.update((event.offset, event) for event in sorted_run.events)
                    run = run.cut_before(given.failed.part.records[0].offset)
                    sorted_run = how.sort(run, blocked, condemned)
                dispositions = _commit_ready(connection, run, sorted_run, given.answers, how)
        except Poison as poison:
            if sorted_run is None:
                raise
            offset = sorted_run.events[poison.index].offset
            condemned[offset] = poison.reason
            run = run.cut_behind(offset)
            continue
        except Exception:
            if sorted_run is not None:
                run.decoded.update((event.offset, event) for event in sorted_run.events)
            raise
        how.fault_points.reach("consumer.committed")
        freed, causes = frozenset(candidates - blocked), Counter(one.cause for one in sorted_run.parked)
        ended = given.failed, given.calls, given.at_once
        return Outcome(run, sorted_run.last, dispositions, sorted_run.parked_keys, freed, causes, *ended)


def _waited_for(run: Run) -> frozenset[bytes]:
    """Keys of the run that were parked when the lane last looked."""
    if not run.parked_keys:
        return frozenset()
    return frozenset(record.key for record in run.records if record.key in run.parked_keys and record.key is not None)


def _commit_ready(
    connection: PsycopgConnection, run: Run, sorted_run: Triage, answers: Sequence[Disposition], how: Application
) -> Mapping[Disposition, int]:
    dispositions = _counted(answers)
    how.fault_points.reach("consumer.handled")
    poisoned = sum(one.reason != BEHIND for one in sorted_run.parked)
    how.flood.admit(run.assigned.partition, handled=len(sorted_run.events), poisoned=poisoned)
    park(connection, how.group, run.assigned, sorted_run.parked)
    advance(connection, how.group, run, sorted_run.last)
    how.fault_points.reach("consumer.positioned")
    dispositions[Disposition.PARKED] += len(sorted_run.parked)
    dispositions[Disposition.DUPLICATE] += sorted_run.duplicates
    return +dispositions


def _counted(answers: Sequence[Disposition]) -> Counter[Disposition]:
    """Mostly all are the same, and then a look is quicker than to hash each."""
    if answers and answers.count(answers[0]) == len(answers):
        return Counter({answers[0]: len(answers)})
    return Counter(answers)
