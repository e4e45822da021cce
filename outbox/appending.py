"""Put an event into the outbox, in the caller's own transaction: both are committed, or neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from outbox.errors import PartitionMissing
from outbox.event import Event
from outbox.speaking import Parameters, constraint, execute, sqlstate
from outbox.structured import format_dictionary

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection

# Kafka's default limit of a record is 1 MiB; one that is larger would stop the relay, so it is refused here.
MAX_EVENT_BYTES = 1_000_000
_AGGREGATE_TYPE = re.compile(r"[A-Za-z0-9._-]{1,180}")

NO_PARTITION = "23514"  # check_violation, without a constraint's name

# No lock but the row's own; order per aggregate comes from the caller's lock on the aggregate.
INSERT = """
INSERT INTO outbox.outbox
    (id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key)
VALUES (%s::uuid, %s, %s, %s, %s, %s, %s, %s, %s)"""

# In the order given, which the WAL keeps. Each event's columns stand in nine arrays, by number: SQLAlchemy 1.4 would
# take a sequence that begins with a list for the parameters of several executions.
INSERT_ALL = """
INSERT INTO outbox.outbox
    (id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key)
SELECT * FROM unnest(%(0)s::uuid[], %(1)s::text[], %(2)s::text[], %(3)s::bigint[], %(4)s::text[], %(5)s::bytea[],
                     %(6)s::text[], %(7)s::text[], %(8)s::text[])"""

_Row = tuple[str, str, str, int, str, bytes, str, str | None, str | None]


def append(connection: AnyConnection, event: Event) -> None:
    """Insert the event; never commits, never rolls back. One round trip.

    `connection`: of psycopg, psycopg2, or SQLAlchemy's Connection, Session or scoped_session on either.
    `ValueError` for an event that could not be published, before anything is written. `OutboxError` for a connection
    that is in no transaction. `PartitionMissing` when no partition covers the id's time; the transaction is then
    aborted, as after any failed statement.

        with psycopg.connect(dsn) as connection:  # commits at its end
            connection.execute("UPDATE orders ...")
            append(connection, Event("order", "o-1", 2, "OrderCancelled", b"{}"))
    """
    _insert(connection, INSERT, _row(event), event)


def append_all(connection: AnyConnection, events: Sequence[Event]) -> None:
    """`append` for several events in one statement, in their order; all of them or none. Nothing to do for none."""
    rows = [_row(event) for event in events]
    if rows:
        columns = {str(number): list(column) for number, column in enumerate(zip(*rows, strict=True))}
        _insert(connection, INSERT_ALL, columns, events[0])


def _insert(connection: AnyConnection, query: str, values: Parameters, event: Event) -> None:
    try:
        execute(connection, query, values)
    except Exception as error:
        if sqlstate(error) == NO_PARTITION and constraint(error) is None:  # the row fits no partition
            raise PartitionMissing(
                f"outbox.outbox has no partition for the time of id {event.id}; run: outbox partitions"
            ) from error
        raise


def _row(event: Event) -> _Row:
    """Raises `ValueError`."""
    context = format_dictionary(event.context)
    _check(event, context)
    return (
        str(event.id),  # psycopg2 knows no UUID
        event.aggregate_type,
        event.aggregate_id,
        event.aggregate_version,
        event.type,
        event.payload,
        context,
        event.traceparent,
        event.partition_key,
    )


def _check(event: Event, context: str) -> None:
    if _AGGREGATE_TYPE.fullmatch(event.aggregate_type) is None:
        raise ValueError(
            f"aggregate_type {event.aggregate_type!r} cannot name a topic: 1 to 180 letters, digits, '.', '_', '-'"
        )
    if event.aggregate_version < 1:
        raise ValueError(f"aggregate_version is {event.aggregate_version}; the first event of an aggregate has 1")
    if event.id.version != 7:
        raise ValueError(f"id {event.id} is not a UUID of version 7, which tells its day; use outbox.uuid7()")
    texts = (event.aggregate_id, event.type, context, event.traceparent or "", event.partition_key or "")
    size = len(event.payload) + len("".join(texts).encode())
    if size > MAX_EVENT_BYTES:
        raise ValueError(f"the event has {size} bytes, {MAX_EVENT_BYTES} fit; store the large part, send its address")
