"""A harness for handlers: events in, dispositions and rows out. No servers, no Kafka, no PostgreSQL.

The handler's SQL runs on SQLite in memory, which understands inserts, upserts, updates, deletes and joins as PostgreSQL
does. What only PostgreSQL has (arrays, `unnest`, `jsonb`, locks) needs a test on PostgreSQL.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from outbox.connection import PsycopgConnection
from outbox.consumer.handler import Answering, Disposition, Handler, Poison, answering
from outbox.consumer.middleware.expiring import Expiring
from outbox.consumer.middleware.expiry import Expiry
from outbox.consumer.middleware.sampled import Sampled
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.report import Report, ignore
from outbox.errors import OutboxError
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.codec import to_headers
from outbox.policy import Policy, require

Headers = list[tuple[str, bytes]]
_PARAMETER = re.compile(r"%%|%s|%\((\w+)\)s")
Parameters = Sequence[object] | Mapping[str, object]


def as_record(event: Event, source: str, number: int) -> tuple[bytes, bytes, Headers]:
    """Key, value and headers of the `number`th event of a source, as the relay sends them: for filling a topic.

    `source` is the consumer's own database, `SYSTEM-IDENTIFIER/DATABASE`: it stops at events of any other.

    >>> key, value, headers = as_record(Event("order", "o-1", 1, "OrderPlaced", b"{}"), "7401538021532815401/shop", 7)
    >>> key, value, dict(headers)["position"]
    (b'o-1', b'{}', b'7401538021532815401/shop:7:0')
    """
    key = event.partition_key or event.aggregate_id
    return key.encode(), event.payload, to_headers(event, SourcePosition(source, number, 0))


class Harness:
    """Gives events to `handler` as a consumer does: a batch is one transaction, poison is parked with what follows it.

    `tables`: statements that make what the handler writes to. `policy`: late events take its branch, by `clock`;
    `compensate` is given those of a policy that says `expired=compensate`.

    >>> def count(connection, received):
    ...     for one in received:
    ...         connection.execute(
    ...             "INSERT INTO total VALUES (%s, 1) ON CONFLICT (day) DO UPDATE SET n = total.n + 1",
    ...             [one.event.json()["day"]],
    ...         )
    >>> harness = Harness(count, tables=["CREATE TABLE total (day text PRIMARY KEY, n int)"])
    >>> made = [Event("invoice", f"invoice-{number}", 1, "InvoiceMade", {"day": "Monday"}) for number in range(2)]
    >>> harness.send(*made)
    [<Disposition.APPLIED: 'applied'>, <Disposition.APPLIED: 'applied'>]
    >>> harness.rows("total")
    [('Monday', 2)]
    >>> harness.send(Event("invoice", "invoice-9", 1, "InvoiceMade", b"no JSON")), len(harness.parked)
    ([<Disposition.PARKED: 'parked'>], 1)
    """

    def __init__(
        self,
        handler: Handler,
        *,
        tables: Iterable[str] = (),
        policy: Policy | None = None,
        compensate: Handler | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        for statement in tables:
            self._database.execute(statement)
        self._connection = cast("PsycopgConnection", _Connection(self._database))
        self._handler = _governed(answering(handler), policy, compensate, clock)
        self._sent: list[ReceivedEvent] = []
        self._parked: dict[str, str] = {}
        self._parked_from: dict[str, int] = {}  # the poison's offset, by key

    @property
    def parked(self) -> Mapping[str, str]:
        """Keys whose events wait in quarantine, and why."""
        return self._parked

    def send(self, *events: Event) -> list[Disposition]:
        """One batch; what became of each event. What the handler raises but `Poison` is raised, with nothing done."""
        first = len(self._sent)
        received = [
            ReceivedEvent(event, f"outbox.event.{event.aggregate_type}", 0, first + place, None)
            for place, event in enumerate(events)
        ]
        self._sent += received
        return self._handled(received)

    def repeat(self) -> list[Disposition]:
        """All events so far once more, in one batch, as in a replay: a handler that bears it leaves the same rows."""
        return self._handled(self._sent)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """What stands in the table, sorted."""
        return sorted(self._database.execute(f'SELECT * FROM "{table}"').fetchall())  # noqa: S608 - a test's own name

    def _handled(self, received: Sequence[ReceivedEvent]) -> list[Disposition]:
        while True:
            ready = [one for one in received if not self._waits(one)]
            try:
                with _transaction(self._database):
                    answers = iter(self._handler(self._connection, ready) if ready else ())
                return [Disposition.PARKED if self._waits(one) else next(answers) for one in received]
            except Poison as poison:
                parked = ready[poison.index]
                self._parked[_key(parked)], self._parked_from[_key(parked)] = poison.reason, parked.offset

    def _waits(self, received: ReceivedEvent) -> bool:
        """In quarantine: the poison, and what follows it in its key."""
        return received.offset >= self._parked_from.get(_key(received), received.offset + 1)


def _governed(
    handler: Answering, policy: Policy | None, compensate: Handler | None, clock: Callable[[], float]
) -> Answering:
    if policy is None and compensate is None:
        return handler
    policy = require(policy or Policy.lossless(3_600, "the position"))
    shedding, report = Shedding.of(policy, permitted=lambda: bool(policy.shedding())), Report(ignore)
    if shedding.samples:
        handler = Sampled(handler, shedding, report, lambda _: clock())
    return Expiring(handler, Expiry.of(policy, compensate=compensate), shedding, report, lambda _: clock())


def _key(received: ReceivedEvent) -> str:
    return received.event.partition_key or received.event.aggregate_id


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


class _Cursor:
    """As much of psycopg's cursor as handlers use."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._cursor = database.cursor()

    def execute(self, query: str, parameters: Parameters = ()) -> _Cursor:
        try:
            self._cursor.execute(_translated(query), parameters)
        except sqlite3.Error as error:
            raise OutboxError(f"the harness cannot run {query!r}: {error}; test it on PostgreSQL") from error
        return self

    def executemany(self, query: str, rows: Iterable[Parameters]) -> None:
        for row in rows:
            self.execute(query, row)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def __enter__(self) -> _Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        self._cursor.close()


class _Connection:
    """As much of psycopg's connection as handlers use."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def cursor(self) -> _Cursor:
        return _Cursor(self._database)

    def execute(self, query: str, parameters: Parameters = ()) -> _Cursor:
        return self.cursor().execute(query, parameters)


def _translated(query: str) -> str:
    """psycopg's `%s` and `%(name)s` as SQLite's `?` and `:name`.

    >>> _translated("SELECT %s, %(day)s, '5%%'")
    "SELECT ?, :day, '5%'"
    """
    return _PARAMETER.sub(
        lambda found: "%" if found[0] == "%%" else f":{found[1]}" if found[1] else "?",
        query,
    )
