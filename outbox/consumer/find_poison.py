"""Which event of a run is it that can never succeed? The handler is asked for one at a time; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Poison
from outbox.consumer.partitions.run import Run
from outbox.consumer.quarantine.parking import reason_of, still_open
from outbox.consumer.retry.rule import Trouble, classify


class _Undo(Exception):
    """Takes everything back."""


def find_permanent(
    connection: PsycopgConnection, run: Run, how: Application, condemned: Mapping[int, str]
) -> tuple[int, str] | None:
    """The offset of the first event that fails for good by itself, and why; None when none does.

    A reason names the error's type and, for PostgreSQL, its state: its text could hold a payload.
    """
    found: tuple[int, str] | None = None
    try:
        with connection.transaction():
            candidates = run.parked_keys & {record.key for record in run.records if record.key is not None}
            blocked = still_open(connection, how.group, run.assigned.partition.topic, candidates)
            sorted_run = how.sort(run, blocked, condemned)
            for event in sorted_run.events:
                try:
                    with connection.transaction():
                        how.handler(connection, [event])
                except Poison as poison:
                    found = event.offset, poison.reason
                except Exception as error:
                    if classify(error) is not Trouble.PERMANENT:
                        raise
                    found = event.offset, reason_of(error)
                if found is not None:
                    break
            raise _Undo
    except _Undo:
        return found
