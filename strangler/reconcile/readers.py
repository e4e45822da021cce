"""What the judge reads itself, in its own SQL: seam records, hand-backs, claims, recorded intents, quarantine."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from outbox.connection import PsycopgConnection
from strangler.facts import KIND, TARGET, Fact
from strangler.reconcile.canonical import parse
from strangler.reconcile.liveness import Living
from strangler.reconcile.subject_evidence import Acted, CallState, OpenCall
from strangler.step.digests import digest
from strangler.step.effect_table import NEVER_ACCEPTED
from strangler.step.intents import INTENTS_PER_EVENT, Json

Refs = list[str] | None  # a window of subjects, or all

SEAM = """
SELECT subject_ref, version, call, intents::text FROM strangler.seam_record
WHERE step = %(step)s AND state = 'done' AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))
ORDER BY subject_ref, version, call"""

UNENDED = """
SELECT subject_ref, version, call, state, process FROM strangler.seam_record
WHERE step = %(step)s AND state <> 'done' AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))
ORDER BY subject_ref, version, call"""

HANDED_BACK = """
SELECT subject_ref, state FROM strangler.hand_back
WHERE step = %(step)s AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))"""

# A request that is still under way may yet commit the subject that its effects are for.
# Also for a while after nobody waits for it any more: a client that was told to come again brings the subject then.
IN_FLIGHT = """
SELECT DISTINCT subject_ref FROM strangler.idempotency
WHERE state = 'started' AND lease_until > now() - interval '1 minute'"""

CLAIMS = """
SELECT subject_ref, number, kind FROM claim
WHERE step = %(step)s AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))"""

# Events that have been told stand in the outbox for as long as its partitions: a claim that is not younger than the
# oldest of them, by a margin for clocks, cannot be held against them.
WANTED = """
SELECT subject_ref, number, digest, claimed_at > %(told_since)s::timestamptz + interval '1 hour' FROM claim
WHERE step = %(step)s AND kind = 'applied' AND digest IS NOT NULL
  AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))"""
TOLD_SINCE = """
SELECT to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
FROM outbox.outbox ORDER BY id LIMIT 1"""
TOLD = "SELECT aggregateid, type, payload FROM outbox.outbox WHERE aggregatetype = %(step)s"

EFFECTS = """
SELECT subject_ref, number, vendor || '.' || operation, body, state, next_attempt_at = 'infinity',
       coalesce(outcome ->> 'reason' = %(never_accepted)s OR outcome ? 'settled_by', false)
FROM effect
WHERE step = %(step)s AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))
ORDER BY subject_ref, number"""
UNDER_WAY = frozenset({"planned", "sent", "unknown"})

SHED = """
SELECT subject_ref, number, clause FROM claim
WHERE step = %(step)s AND kind = 'shed' AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))"""

RECORDED = """
SELECT subject_ref, version, intents::text FROM intent
WHERE step = %(step)s AND (%(refs)s::text[] IS NULL OR subject_ref = ANY(%(refs)s))
ORDER BY subject_ref, version"""

PARKED = """
SELECT DISTINCT key FROM quarantine
WHERE group_name = %(group)s AND topic = ANY(%(topics)s) AND resolved_at IS NULL AND key IS NOT NULL"""


def read_seam(connection: PsycopgConnection, step: str, refs: Refs = None) -> dict[str, list[Acted]]:
    """What legacy did, by subject."""
    return _acted(connection.execute(SEAM, {"step": step, "refs": refs}))


def read_unended(
    connection: PsycopgConnection, step: str, living: Living, refs: Refs = None
) -> dict[str, list[OpenCall]]:
    """The calls of legacy that are not done, by subject."""
    found: dict[str, list[OpenCall]] = {}
    for subject_ref, version, call, state, process in connection.execute(UNENDED, {"step": step, "refs": refs}):
        found.setdefault(subject_ref, []).append(OpenCall(version, call, CallState(state), living.has(process)))
    return found


def read_recorded(connection: PsycopgConnection, step: str, refs: Refs = None) -> dict[str, list[Acted]]:
    """What the shadow would have done, by subject."""
    return _acted((*row, 1, intents) for *row, intents in connection.execute(RECORDED, {"step": step, "refs": refs}))


def read_hand_backs(connection: PsycopgConnection, step: str, refs: Refs = None) -> dict[str, str]:
    return dict(connection.execute(HANDED_BACK, {"step": step, "refs": refs}))


def read_in_flight(connection: PsycopgConnection) -> set[str]:
    """Orders of which the facade still awaits an answer."""
    return {subject_ref for (subject_ref,) in connection.execute(IN_FLIGHT)}


def read_claims(connection: PsycopgConnection, step: str, refs: Refs = None) -> dict[str, dict[int, str]]:
    """Kinds by subject and number."""
    return _by_number(connection.execute(CLAIMS, {"step": step, "refs": refs}))


def read_shed(
    connection: PsycopgConnection, step: str, allowed: Collection[str], refs: Refs = None
) -> dict[str, dict[int, str]]:
    """Clauses by subject and number. What a clause that is not `allowed` has given up is left out: no excuse."""
    rows = connection.execute(SHED, {"step": step, "refs": refs})
    return _by_number(row for row in rows if row[2].partition("=")[0] in allowed)


def read_parked(connection: PsycopgConnection, group: str, topics: Sequence[str]) -> set[bytes]:
    """Kafka keys with an event in quarantine: what follows it waits."""
    return {bytes(key) for (key,) in connection.execute(PARKED, {"group": group, "topics": list(topics)})}


def read_effects(connection: PsycopgConnection, step: str, refs: Refs = None) -> Iterator[Fact]:
    """What the new side has planned to ask its vendors; pending until they have answered."""
    found = connection.execute(EFFECTS, {"step": step, "refs": refs, "never_accepted": NEVER_ACCEPTED})
    for subject_ref, number, target, body, state, parked, is_absent in found:
        fields = {**body, KIND: "call", TARGET: target}
        pending, refused = state in UNDER_WAY, state == "refused"
        yield Fact(
            subject_ref,
            number,
            number // INTENTS_PER_EVENT,
            fields,
            pending=pending,
            refused=refused,
            never_accepted=refused and is_absent,
            unsettled=state == "unknown" and parked,
        )


def read_wanted(connection: PsycopgConnection, step: str, refs: Refs = None) -> dict[str, dict[int, Sequence[str]]]:
    """The digests that claims stand for, by subject and number; "" for an event that may have left the outbox."""
    told_since = connection.execute(TOLD_SINCE).fetchone()
    rows = connection.execute(WANTED, {"step": step, "refs": refs, "told_since": told_since[0] if told_since else None})
    found: dict[str, dict[int, Sequence[str]]] = {}
    for subject_ref, number, text, is_held in rows:
        wanted = [want if is_held or not want.startswith("e") else "" for want in text.split()]
        found.setdefault(subject_ref, {})[number] = wanted
    return found


def read_told(connection: PsycopgConnection, step: str) -> dict[str, set[str]]:
    """The digests of the step's own events, by subject."""
    found: dict[str, set[str]] = {}
    for subject_ref, type_, payload in connection.execute(TOLD, {"step": step}):
        with suppress(ValueError):  # not of ours: no intent has it
            told = {"kind": "emit", "target": type_, "body": json.loads(bytes(payload))}
            found.setdefault(subject_ref, set()).add(digest(told))
    return found


def facts_of(subject_ref: str, version: int, intents: Json, call: int = 1) -> tuple[Fact, ...]:
    """The stored form of a call's intents as facts, numbered from the call's own place: the number in its vendor's key.
    What is not of that form is a fact too: it equals nothing.
    """
    rows = intents if isinstance(intents, list) else [intents]
    first = version * INTENTS_PER_EVENT + call - 1
    return tuple(Fact(subject_ref, number, version, _fields(row)) for number, row in enumerate(rows, first))


def _fields(row: Json) -> dict[str, Json]:
    body = row.get("body") if isinstance(row, dict) else None
    if not isinstance(body, dict):
        return {KIND: "unreadable", "row": row}
    return {**body, KIND: row.get("kind"), TARGET: row.get("target")}


def _acted(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[Acted]]:
    """From subject, version, call and intents."""
    by_subject: dict[str, list[Acted]] = {}
    for subject_ref, version, call, intents in rows:
        acts = by_subject.setdefault(subject_ref, [])
        earlier = acts.pop().facts if acts and acts[-1].version == version else ()  # a call before this one
        acts.append(Acted(version, earlier + facts_of(subject_ref, version, parse(intents), call)))
    return by_subject


def _by_number(rows: Iterable[tuple[str, int, str]]) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, str]] = {}
    for subject_ref, number, said in rows:
        found.setdefault(subject_ref, {})[number] = said
    return found
