"""Rebuild a projection from its topics while live consumption goes on, and swap it in at one moment.

The new tables grow in a schema of their own, to which the context's own statements lead by search_path. At the end
the old tables are locked: whoever had written to them has committed by then, position included, so the positions say
exactly what the new ones still need. They take it, and take the old ones' place, in that transaction, with the old
ones' owner and the rights on them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import sql

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Handler
from outbox.consumer.reprocessing.replay import Passed, Replayed, replay
from outbox.consumer.reprocessing.rights import Rights
from outbox.errors import PositionLost
from outbox.kafka.port import Reader, TopicPartition

logger = logging.getLogger(__name__)

CLOSE_ENOUGH = 500  # events that may be left for the moment in which consumers wait
MAX_ROUNDS = 20
LOCK_WITHIN = sql.SQL("SET LOCAL lock_timeout = '5s'")


@dataclass(frozen=True, slots=True)
class Projection:
    """What is rebuilt: `tables` of `schema`, fed by `topics` of `group`."""

    schema: str
    tables: Sequence[str]
    group: str
    topics: Sequence[str]

    @property
    def next_schema(self) -> str:
        return f"{self.schema}_next"


def rebuild(
    reader: Reader,
    connection: PsycopgConnection,
    projection: Projection,
    handler: Handler,
    *,
    progress: Callable[[Replayed], None] = lambda _: None,
    dry_run: bool = False,
    give_way: Callable[[], None] = lambda: None,
) -> Replayed:
    """Read the topics from their first record, fill new tables by `handler`, swap them in. COMMITS.

    `handler` writes rows and makes no claims; `connection` is in autocommit. Before each batch `give_way` may wait,
    but not while live consumption does: that is only for the last events and the swap (at most `CLOSE_ENOUGH` events,
    or until the lock is given up after 5 s). Stopped before the swap, nothing has changed; close the connection and run
    it again. With `dry_run` the new tables are filled and dropped. Raises `PositionLost` when the topics no longer hold
    their first events: those cannot be rebuilt from them.
    """
    starts = first_records(reader, Passed.of(connection, projection.group, projection.topics))
    growing = _Growing(reader, connection, projection, handler, progress, Replayed(went_to=starts))
    _prepare(connection, projection)
    for _ in range(MAX_ROUNDS):
        passed = growing.passed()
        if growing.left(passed) <= CLOSE_ENOUGH:
            break
        growing.grow(passed, give_way)
    if dry_run:
        growing.grow(growing.passed())
        _drop(connection, projection.next_schema)
        return growing.done
    with connection.transaction():
        connection.execute(LOCK_WITHIN)
        for table in projection.tables:
            name = sql.Identifier(projection.schema, table)
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(name))
        growing.grow(growing.passed())
        _swap(connection, projection)
    logger.info("projection_rebuilt", extra={"schema": projection.schema, "tables": list(projection.tables)})
    return growing.done


@dataclass(frozen=True, slots=True)
class _Growing:
    """The new tables while they grow; `done` says how far."""

    reader: Reader
    connection: PsycopgConnection
    projection: Projection
    handler: Handler
    progress: Callable[[Replayed], None]
    done: Replayed

    def passed(self) -> Passed:
        return Passed.of(self.connection, self.projection.group, self.projection.topics)

    def left(self, passed: Passed) -> int:
        """Events that the group has passed and the new tables have not."""
        ends = {partition: max(lanes.values(), default=0) for partition, lanes in passed.lanes.items()}
        return sum(max(0, end - self.done.went_to.get(partition, 0)) for partition, end in ends.items())

    def grow(self, passed: Passed, give_way: Callable[[], None] = lambda: None) -> None:
        """Up to where the group stood. A lane may stand behind its partition's furthest one: what it had not passed
        is read again the next time, and written again by version.
        """
        _look_into(self.connection, self.projection.next_schema, self.projection.schema)
        try:
            more = replay(
                self.reader,
                self.connection,
                self.handler,
                passed,
                self.done.went_to,
                progress=self.progress,
                give_way=give_way,
            )
        finally:
            _look_into(self.connection, self.projection.schema)
        self.done.dispositions.update(more.dispositions)
        self.done.refused += more.refused
        self.done.quarantined += more.quarantined
        for partition, offset in more.went_to.items():
            self.done.went_to[partition] = min([offset, *passed.lanes[partition].values()])


def first_records(reader: Reader, passed: Passed) -> dict[TopicPartition, int]:
    """Where each partition begins; `PositionLost` when it no longer begins with its first event."""
    starts = {}
    for partition in passed.lanes:
        start, _ = reader.log_range(partition)
        if start > 0:
            raise PositionLost(
                f"{partition.topic}-{partition.partition} begins at {start}: its first events are gone, and their rows "
                f"with them; append them again from the source of truth, or restore the topic"
            )
        starts[partition] = start
    return starts


def _prepare(connection: PsycopgConnection, projection: Projection) -> None:
    _drop(connection, projection.next_schema)
    with connection.transaction():
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(projection.next_schema)))
        for table in projection.tables:
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                    sql.Identifier(projection.next_schema, table), sql.Identifier(projection.schema, table)
                )
            )


def _swap(connection: PsycopgConnection, projection: Projection) -> None:
    for table in projection.tables:
        rights = Rights.of(connection, projection.schema, table)  # now: somebody may have granted more meanwhile
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(projection.schema, table)))
        connection.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(
                sql.Identifier(projection.next_schema, table), sql.Identifier(projection.schema)
            )
        )
        rights.give(connection, projection.schema, table)
    connection.execute(sql.SQL("DROP SCHEMA {}").format(sql.Identifier(projection.next_schema)))


def _drop(connection: PsycopgConnection, schema: str) -> None:
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _look_into(connection: PsycopgConnection, *schemas: str) -> None:
    names = sql.SQL(", ").join(sql.Identifier(schema) for schema in schemas)
    connection.execute(sql.SQL("SET search_path = {}").format(names))
