"""The sample's plan, watched: which orders are decided between a run's reads; and a row that is away for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.json import Jsonb

from outbox.connection import PsycopgConnection
from strangler.facts import Fact, SubjectFacts
from strangler.plan import Plan, Step
from strangler.reconcile.judged_step import JudgedStep

STEP = "search"
PENDING = "SELECT order_ref FROM legacy.orders WHERE status = 'pending'"
STILL = "SELECT order_ref FROM legacy.orders WHERE status = 'pending' AND order_ref = ANY (%s)"

# The newest row of which nothing final has been said: a document, or what a shadow would have written.
ROWS = {"document": "order_ref", "intent": "subject_ref"}  # each with its key
TAKE_OUT: LiteralString = """
DELETE FROM search.{table} AS away WHERE ({key}, version) = (
    SELECT o.order_ref, o.subject_version FROM search.{table} AS here
    JOIN legacy.orders AS o ON (o.order_ref, o.subject_version) = (here.{key}, here.version)
    WHERE o.status <> 'pending' AND NOT EXISTS (
        SELECT FROM strangler.verdict WHERE step = 'search' AND verdict.subject_ref = o.order_ref)
    ORDER BY o.created_at DESC LIMIT 1)
RETURNING to_jsonb(away)"""
PUT_BACK: LiteralString = """
INSERT INTO search.{table} SELECT * FROM jsonb_populate_record(NULL::search.{table}, %s) ON CONFLICT DO NOTHING"""


@dataclass(slots=True)
class Watch:
    """Of one run. `take_out`: a row of search is to be away while the first frontier is read."""

    dsn: str
    take_out: bool = False
    taken_out: int = 0
    pending: list[str] = field(default_factory=list)
    decided_between: int = 0
    _away: tuple[str, object] | None = None
    _legacy_read: bool = False

    def over(self, plan: Plan) -> Plan:
        def orders(connection: PsycopgConnection) -> Iterator[SubjectFacts]:
            pending = [ref for (ref,) in connection.execute(PENDING)]
            yield from plan.subject.facts(connection)
            if not self._legacy_read:
                self._legacy_read, self.pending = True, pending
                self._between_reads()

        steps = tuple(self._watched(step) for step in plan.steps)
        return replace(plan, subject=replace(plan.subject, table="", read=orders), steps=steps)

    def end(self) -> None:
        """Nothing stays away."""
        if self._away is not None:
            table, row = self._away
            with psycopg.connect(self.dsn) as connection:
                connection.execute(sql_of(PUT_BACK, table), [Jsonb(row)])
            self._away = None

    def _watched(self, step: Step) -> Step:
        check = step.check
        if step.name != STEP or check is None:
            return step
        read = JudgedStep.of(step).rows

        def actual(connection: PsycopgConnection) -> Iterator[Fact]:
            yield from read(connection)
            self._new_side_read()

        return replace(step, check=replace(check, actual=actual))

    def _between_reads(self) -> None:
        for table in ROWS if self.take_out else ():
            with psycopg.connect(self.dsn) as connection:
                row = connection.execute(sql_of(TAKE_OUT, table)).fetchone()
            if row is not None:
                self._away, self.taken_out = (table, row[0]), 1
                return

    def _new_side_read(self) -> None:
        """The first time: what was away comes back before anybody looks again."""
        self.end()
        if self.pending:
            with psycopg.connect(self.dsn) as connection:
                still = connection.execute(STILL, [self.pending]).fetchall()
            self.decided_between += len(self.pending) - len(still)
            self.pending = [ref for (ref,) in still]


def sql_of(statement: LiteralString, table: str) -> Composed:
    return SQL(statement).format(table=Identifier(table), key=Identifier(ROWS[table]))
