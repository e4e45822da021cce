"""A run's events are given to the handler in parts, each behind a savepoint: where one fails, those before it stay."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Poison
from outbox.consumer.own_transaction import require_open
from outbox.consumer.partitions.outcome import Failed
from outbox.consumer.partitions.run import Run
from outbox.consumer.retry.rule import Trouble, classify
from outbox.event import ReceivedEvent

# One round trip for both: what a part did is not taken back by itself any more.
_FIRST = "SAVEPOINT outbox_part"
_NEXT = "RELEASE SAVEPOINT outbox_part; SAVEPOINT outbox_part"
_BACK = "ROLLBACK TO SAVEPOINT outbox_part"


def in_parts(
    connection: PsycopgConnection, run: Run, events: Sequence[ReceivedEvent], handler: Answering
) -> tuple[list[Disposition], int, Failed | None]:
    """A disposition for each event, up to the first part that failed for now; and the calls that went well.

    Raises what the handler raised where nothing stands before it, and what can never succeed; the caller rolls back.
    """
    answers: list[Disposition] = []
    calls = 0
    savepoint = _FIRST
    for places in run.parts(len(events)):
        part = events[places.start : places.stop]
        if places.start:
            connection.execute(savepoint)
            savepoint = _NEXT
        try:
            answers += _answered(connection, part, handler)
        except Poison as poison:
            raise Poison(places.start + poison.index, poison.reason) from poison
        except Exception as error:
            if not places.start or classify(error) is Trouble.PERMANENT or not _taken_back(connection):
                raise
            return answers, calls, Failed(run.cut_to(part[0].offset, part[-1].offset), error)
        calls += 1
    return answers, calls, None


def _answered(
    connection: PsycopgConnection, events: Sequence[ReceivedEvent], handler: Answering
) -> Sequence[Disposition]:
    answers = handler(connection, events)
    require_open(connection)
    return answers


def _taken_back(connection: PsycopgConnection) -> bool:
    """False where the connection is lost, and all of it with it."""
    try:
        connection.execute(_BACK)
    except psycopg.Error:
        return False
    return True
