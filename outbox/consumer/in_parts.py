"""A run's events are given to the handler in parts, each behind a savepoint: where one fails, those before it stay."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg.pq import ExecStatus

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Answering, Disposition, Poison
from outbox.consumer.own_transaction import require_open
from outbox.consumer.partitions.outcome import Failed
from outbox.consumer.partitions.run import Run
from outbox.consumer.retry.rule import Trouble, classify
from outbox.event import ReceivedEvent

# One round trip for both: what a part did is not taken back by itself any more.
_FIRST = b"SAVEPOINT outbox_part"
_NEXT = b"RELEASE SAVEPOINT outbox_part; SAVEPOINT outbox_part"
_BACK = b"ROLLBACK TO SAVEPOINT outbox_part"


@dataclass(slots=True)
class Given:
    """A disposition for each event, up to the first part that failed for now; the calls that went well, and those of
    them that were a second attempt, made at once.
    """

    answers: list[Disposition] = field(default_factory=list)
    calls: int = 0
    at_once: int = 0
    failed: Failed | None = None


def in_parts(connection: PsycopgConnection, run: Run, events: Sequence[ReceivedEvent], how: Application) -> Given:
    """Raises what the handler raised where nothing stands before it, and what can never succeed: roll back then."""
    given = Given()
    savepoint = _FIRST
    for places in run.parts(len(events)):
        part = events[places.start : places.stop]
        if places.start:
            _say(connection, savepoint)
            savepoint = _NEXT
        try:
            given.failed = _attempted(connection, run, part, how, given, behind_others=places.start > 0)
        except Poison as poison:
            raise Poison(places.start + poison.index, poison.reason) from poison
        if given.failed is not None:
            break
        given.calls += 1
    return given


def _attempted(
    connection: PsycopgConnection,
    run: Run,
    part: Sequence[ReceivedEvent],
    how: Application,
    given: Given,
    *,
    behind_others: bool,
) -> Failed | None:
    """Its answers are given then; tried again at once, at most once, where the retries of all allow it."""
    tried = 0
    while True:
        begun = time.monotonic()
        try:
            given.answers += _answered(connection, part, how.handler)
        except Exception as error:
            final = isinstance(error, Poison) or classify(error) is Trouble.PERMANENT
            if final or not behind_others or not _taken_back(connection):
                raise
            failed = Failed(run.cut_to(part[0].offset, part[-1].offset, tried=tried), error)
            if tried or not how.retries.at_once(failed.part, error, time.monotonic() - begun):
                return failed
            tried = 1
        else:
            if tried:
                how.retries.passed()
                given.at_once += 1
            return None


def _answered(
    connection: PsycopgConnection, events: Sequence[ReceivedEvent], handler: Answering
) -> Sequence[Disposition]:
    answers = handler(connection, events)
    require_open(connection)
    return answers


def _taken_back(connection: PsycopgConnection) -> bool:
    """False where the connection is lost, and all of it with it."""
    try:
        _say(connection, _BACK)
    except psycopg.Error:
        return False
    return True


def _say(connection: PsycopgConnection, command: bytes) -> None:
    """To libpq itself, at a third of a cursor's cost. Told of a ROLLBACK, psycopg would forget what is prepared."""
    result = connection.pgconn.exec_(command)
    if result.status != ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(f"PostgreSQL refused a savepoint: {result.get_error_message()}")
