"""The subject: the business object that a chain makes or changes, with the name and the table its team gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass

from psycopg import sql
from psycopg.rows import class_row

from outbox.connection import PsycopgConnection
from outbox.terms import check_terms
from strangler.errors import BadPlan
from strangler.facts import SubjectFacts
from strangler.ownership import Ownership
from strangler.routes import INTERNAL_PREFIX, Callers, path_template_problems

SubjectReader = Callable[[PsycopgConnection], Iterable[SubjectFacts]]
"""All subjects as the legacy database has them, each once, in any order."""

LOOK_UP_PATH = INTERNAL_PREFIX + "subjects/{ref}"
HAND_BACK_PATH = INTERNAL_PREFIX + "steps/{step}/subjects/{ref}"
STATUS_PATH = "/strangler/status/{ref}"
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


@dataclass(frozen=True, slots=True)
class Subject:
    """What the plan's chain is about: `Subject("booking", table="public.bookings")`.

    `name`: one, in the singular; output, headers (`Strangler-Booking-Ref`, `Strangler-Rejected`), default paths use it.
    `plural`: several of them, by default the name and an s.
    `table` and its columns are read for the judge: `ref` (text, unique, NULL in rows from before that have not been
    changed since), `version` (whole number, 0 before the first event) and `owners` (the ownership header as it came
    with the request, or NULL). `refused`: an SQL expression over the table's row for the step that refused it after it
    was stored, NULL where none has. `undecided`: an SQL condition that holds
    while legacy has still to run the rest of its chain.
    Columns are names, the two expressions are SQL of the plan's author. `read` is a function instead of a table.

    `path` answers a GET of one by its reference: a request whose answer was lost is resolved by it. `hand_back_path`
    takes a POST that runs a legacy step for one that was handed back. By default both are the toolkit's own routes in
    the monolith, which need the internal token, and which no client reaches through the facade. `status_path` tells a
    client what has become of one, by default `path` where that is the application's own.
    `caller` identifies who sends an Idempotency-Key, on all routes without a `caller` of their own:
    `"header:NAME"`, `"cookie:NAME"`, a function of the request's headers (a mapping, names in any letter case,
    repeated fields joined by ", ") that returns the caller's name or None, `"anonymous"`, or several of these; all
    that are present count. Two callers never share a key or an answer. An Authorization header counts wherever it
    is present, so a bearer token refreshed between two attempts is another caller. The way out is a function that
    returns the account: beside the name that it returns, an Authorization header does not count.

    >>> Subject("booking", table="public.bookings").path
    '/internal/strangler/subjects/{ref}'
    """

    name: str
    _: KW_ONLY
    table: str = ""
    read: SubjectReader | None = None
    ref: str = "subject_ref"
    version: str = "version"
    owners: str = "ownership"
    refused: str = "NULL"
    undecided: str = "false"
    plural: str = ""
    path: str = ""
    hand_back_path: str = ""
    status_path: str = ""
    caller: Callers | None = None

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan, leave=("caller",))  # a plan judges callers
        object.__setattr__(self, "plural", self.plural or f"{self.name}s")
        object.__setattr__(self, "status_path", self.status_path or self.path or STATUS_PATH)
        object.__setattr__(self, "path", self.path or LOOK_UP_PATH)
        object.__setattr__(self, "hand_back_path", self.hand_back_path or HAND_BACK_PATH)

    @property
    def internal_look_up(self) -> bool:
        """Whether a look-up needs the internal token."""
        return self.path.startswith(INTERNAL_PREFIX)

    def words(self, text: str) -> str:
        """A sentence of the toolkit with this subject's name in it.

        >>> Subject("entry", plural="entries", table="t").words("a subject waits, 3 subjects were pinned")
        'an entry waits, 3 entries were pinned'
        """
        article = "an" if self.name[0] in "aeiou" else "a"
        for toolkit, ours in (
            ("a subject", f"{article} {self.name}"),
            ("subject", self.name),
            ("subjects", self.plural),
        ):
            text = re.sub(rf"\b{toolkit}\b", ours, text)
        return text

    def facts(self, connection: PsycopgConnection) -> Iterable[SubjectFacts]:
        """All subjects, by `read` or from `table`; the connection is the legacy database's."""
        return self.read(connection) if self.read is not None else _from_table(self, connection)


def subject_problems(subject: Subject) -> Iterable[str]:
    """What contradicts itself in a subject, each with the fix."""
    if NAME.fullmatch(subject.name) is None:
        yield f"subject {subject.name!r} cannot stand in headers and paths; use lower case letters, digits and -"
    if bool(subject.table) == (subject.read is not None):
        found = "both a table and" if subject.table else "neither a table nor"
        yield f"subject {subject.name!r} has {found} a reader; give one"
    yield from path_template_problems("the subject's path", subject.path, "ref")
    yield from path_template_problems("the subject's status_path", subject.status_path, "ref")
    yield from path_template_problems("the subject's hand_back_path", subject.hand_back_path, "step", "ref")


@dataclass(frozen=True, slots=True)
class _Row:
    ref: str
    version: int
    owners: str
    refused: str
    undecided: bool


def _from_table(subject: Subject, connection: PsycopgConnection) -> Iterable[SubjectFacts]:
    query = sql.SQL("""
        SELECT {ref}::text AS ref, {version}::bigint AS version, coalesce({owners}, '') AS owners,
               coalesce(({refused})::text, '') AS refused, coalesce(({undecided}), false) AS undecided
        FROM {table} AS subject WHERE {ref} IS NOT NULL ORDER BY 1""").format(
        table=sql.Identifier(*subject.table.split(".")),
        ref=sql.Identifier("subject", subject.ref),
        version=sql.Identifier("subject", subject.version),
        owners=sql.Identifier("subject", subject.owners),
        refused=sql.SQL(subject.refused),  # the plan's author is trusted with SQL
        undecided=sql.SQL(subject.undecided),
    )
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        for row in cursor.execute(query):
            owners = Ownership.from_header(row.owners)
            yield SubjectFacts(row.ref, row.version, owners, row.ref, row.refused, undecided=row.undecided)
