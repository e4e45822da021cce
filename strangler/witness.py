"""A query of the plan as a witness: what should be there, said by the application's own tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TypeAlias

from outbox.connection import PsycopgConnection
from strangler.errors import BadPlan
from strangler.facts import Fact, FactReader
from strangler.step.intents import first_number


@dataclass(frozen=True, slots=True)
class Sql:
    """What a step must have done, as a query over the legacy database: one row for each effect.

    The first column is the subject's reference, the second the version of the change that asks for the effect; the
    others are the effect's fields by their names. Of several rows of one version, the nth is the version's nth effect.
    Give values that JSON has: cast numerics to bigint or float8, times to text.
    `window` names the column of the reference, so that the judge can ask for some subjects only. The plan's author is
    trusted with SQL.

        Check(expected=Sql("SELECT reference, 1, email AS to FROM bookings", window="reference"))
    """

    query: str
    _: KW_ONLY
    window: str

    def __call__(self, connection: PsycopgConnection, refs: Sequence[str] | None = None) -> Iterator[Fact]:
        """Facts of all subjects, or of those."""
        from psycopg import sql  # noqa: PLC0415 - a plan imports no driver

        query: sql.SQL | sql.Composed = sql.SQL(self.query)
        if refs is not None:
            query = sql.SQL("SELECT * FROM ({query}) AS effects WHERE {window} = ANY({refs})").format(
                query=query, window=sql.Identifier(self.window), refs=sql.Literal(list(refs))
            )
        cursor = connection.execute(query)  # without parameters: a percent sign is a percent sign
        names = [column.name for column in cursor.description or ()]
        if len(names) < 2 or names[0] != self.window:
            raise BadPlan(
                f"a witness with window={self.window!r} answers the columns {names}; select {self.window!r}, "
                f"the version, then the effect's fields"
            )
        places: Counter[tuple[str, int]] = Counter()
        for ref, version, *values in cursor:
            number = first_number(version) + places[ref, version]
            places[ref, version] += 1
            yield Fact(ref, number, version, dict(zip(names[2:], values, strict=True)))


Expected: TypeAlias = FactReader | Sql


def within(reader: Expected, connection: PsycopgConnection, refs: Sequence[str] | None) -> Iterable[Fact]:
    """What a reader says of some subjects, or of all where `refs` is None."""
    if isinstance(reader, Sql):
        return reader(connection, refs)
    found = reader(connection)
    return found if refs is None else _only(found, frozenset(refs))


def _only(facts: Iterable[Fact], refs: frozenset[str]) -> Iterator[Fact]:
    return (fact for fact in facts if fact.subject_ref in refs)
