"""Where a fault is planted, and what is said of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import LiteralString, NamedTuple

from psycopg import sql

from outbox.connection import PsycopgConnection
from strangler.errors import RefusedError
from strangler.service.declaration import Service
from strangler.step.intents import Json

# The first call of an event, done and claimed.
DONE: LiteralString = """
SELECT effect.subject_ref, effect.number, vendor, operation, key, body
FROM effect JOIN claim USING (subject_ref, step, number)
WHERE step = %(step)s AND state = 'done' AND claim.kind = 'applied' ORDER BY effect.subject_ref, effect.number"""


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault of a kind, and the verdict in which a judge must put it."""

    kind: str
    step: str
    subject_ref: str
    number: int
    expected_verdict: str


class DoneCall(NamedTuple):
    """A call to a vendor that the new side has planned, claimed and done."""

    subject_ref: str
    number: int
    vendor: str
    operation: str
    key: str
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class World:
    """`context` is a connection to the schema of the service, `main` one to the legacy database; neither in a
    transaction. `rng` chooses among the subjects that are done, those that are preferred if there are any: two faults
    that strike one subject can hide each other. `subject_ref` names one. A `dry_run` chooses and spoils nothing.
    """

    service: Service
    context: PsycopgConnection
    main: PsycopgConnection
    environ: Mapping[str, str]
    rng: random.Random
    subject_ref: str | None = None
    prefers: Callable[[str], bool] = lambda _: True
    dry_run: bool = False

    @property
    def step(self) -> str:
        return self.service.name

    def done_call(self) -> DoneCall:
        """The first call of an event, of some subject; `RefusedError` where there is none."""
        return DoneCall(*self.choose(self.context, DONE))

    def choose(
        self, connection: PsycopgConnection, candidates: LiteralString | sql.Composed, **more: Json
    ) -> Sequence[Json]:
        """One row of the query, which begins with subject and number; `RefusedError` where there is none."""
        with connection.transaction():
            rows = connection.execute(candidates, {"step": self.step, **more}).fetchall()
        named = [row for row in rows if self.subject_ref in (None, row[0])]
        if not named:
            whom = "no subject" if self.subject_ref is None else f"subject {self.subject_ref!r} is not one that"
            raise RefusedError(
                f"{whom} has been done by {self.step} as this fault needs it; let its stage come so far, send some, "
                f"or name another by --ref"
            )
        return self.rng.choice([row for row in named if self.prefers(row[0])] or named)

    def spoil(self, connection: PsycopgConnection, statement: LiteralString | sql.Composed, **values: Json) -> None:
        """Do it, and commit, but for a dry run; `RefusedError` where the row has gone since."""
        with connection.transaction(force_rollback=self.dry_run):
            if connection.execute(statement, {"step": self.step, **values}).rowcount == 0:
                raise RefusedError(f"what was to be spoilt in {self.step} has gone meanwhile; plant again")


def altered(body: Mapping[str, Json], keep: str) -> dict[str, Json]:
    """With one value changed: a number, else a text that is not `keep`; a field more where there is neither.

    >>> altered({"ref": "a", "cents": 250}, "a")
    {'ref': 'a', 'cents': 351}
    """
    for name, value in body.items():
        if isinstance(value, int | float) and not isinstance(value, bool) and name != "version":
            return {**body, name: value + 101}
    for name, value in body.items():
        if isinstance(value, str) and value != keep:
            return {**body, name: value + "?"}
    return {**body, "planted": True}
