"""What the judge reads itself, in its own SQL: seam records, hand-backs, claims, recorded intents, quarantine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from outbox.connection import PsycopgConnection
from strangler.facts import KIND, TARGET, Fact
from strangler.reconcile.canonical import parse
from strangler.reconcile.subject_evidence import Acted
from strangler.step.intents import INTENTS_PER_EVENT, Json

SEAM = """
SELECT subject_ref, version, intents::text FROM strangler.seam_record
WHERE step = %(step)s AND state = 'done' ORDER BY subject_ref, version, call"""

HANDED_BACK = "SELECT subject_ref, state FROM strangler.hand_back WHERE step = %(step)s"

# A request that is still under way may yet commit the subject that its effects are for.
IN_FLIGHT = "SELECT DISTINCT subject_ref FROM strangler.idempotency WHERE state = 'started' AND lease_until > now()"

CLAIMS = "SELECT subject_ref, number, kind FROM claim WHERE step = %(step)s"

SHED = "SELECT subject_ref, number, clause FROM claim WHERE step = %(step)s AND kind = 'shed'"

RECORDED = "SELECT subject_ref, version, intents::text FROM intent WHERE step = %(step)s ORDER BY subject_ref, version"

PARKED = """
SELECT DISTINCT key FROM quarantine
WHERE group_name = %(group)s AND topic = ANY(%(topics)s) AND resolved_at IS NULL AND key IS NOT NULL"""


def read_seam(connection: PsycopgConnection, step: str) -> dict[str, list[Acted]]:
    """What legacy did, by subject."""
    return _acted(connection.execute(SEAM, {"step": step}))


def read_recorded(connection: PsycopgConnection, step: str) -> dict[str, list[Acted]]:
    """What the shadow would have done, by subject."""
    return _acted(connection.execute(RECORDED, {"step": step}))


def read_hand_backs(connection: PsycopgConnection, step: str) -> dict[str, str]:
    return dict(connection.execute(HANDED_BACK, {"step": step}))


def read_in_flight(connection: PsycopgConnection) -> set[str]:
    """Orders of which the facade still awaits an answer."""
    return {subject_ref for (subject_ref,) in connection.execute(IN_FLIGHT)}


def read_claims(connection: PsycopgConnection, step: str) -> dict[str, dict[int, str]]:
    """Kinds by subject and number."""
    return _by_number(connection.execute(CLAIMS, {"step": step}))


def read_shed(connection: PsycopgConnection, step: str, allowed: Collection[str]) -> dict[str, dict[int, str]]:
    """Clauses by subject and number. What a clause that is not `allowed` has given up is left out: no excuse."""
    rows = connection.execute(SHED, {"step": step})
    return _by_number(row for row in rows if row[2].partition("=")[0] in allowed)


def read_parked(connection: PsycopgConnection, group: str, topics: Sequence[str]) -> set[bytes]:
    """Kafka keys with an event in quarantine: what follows it waits."""
    return {bytes(key) for (key,) in connection.execute(PARKED, {"group": group, "topics": list(topics)})}


def facts_of(subject_ref: str, version: int, intents: Json, before: int = 0) -> tuple[Fact, ...]:
    """The stored form of intents as facts. What is not of that form is a fact too: it equals nothing. `before`: how
    many facts of the same version stand before them.
    """
    rows = intents if isinstance(intents, list) else [intents]
    first = version * INTENTS_PER_EVENT + before
    return tuple(Fact(subject_ref, number, version, _fields(row)) for number, row in enumerate(rows, first))


def _fields(row: Json) -> dict[str, Json]:
    body = row.get("body") if isinstance(row, dict) else None
    if not isinstance(body, dict):
        return {KIND: "unreadable", "row": row}
    return {**body, KIND: row.get("kind"), TARGET: row.get("target")}


def _acted(rows: Iterable[tuple[str, int, str]]) -> dict[str, list[Acted]]:
    by_subject: dict[str, list[Acted]] = {}
    for subject_ref, version, intents in rows:
        acts = by_subject.setdefault(subject_ref, [])
        earlier = acts.pop().facts if acts and acts[-1].version == version else ()  # a call before this one
        acts.append(Acted(version, earlier + facts_of(subject_ref, version, parse(intents), len(earlier))))
    return by_subject


def _by_number(rows: Iterable[tuple[str, int, str]]) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for subject_ref, number, said in rows:
        found.setdefault(subject_ref, {})[number] = said
    return found
