"""From comparisons to judgements: one per effect number, the gravest wins. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.pairing import Pair
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import SubjectEvidence
from strangler.step.intents import Json, first_number

# What is wrong beats what cannot be said, which beats what is not due; a match only when nothing else was said.
GRAVEST_FIRST = (
    Verdict.ORPHAN,
    Verdict.EXTRA,
    Verdict.DUPLICATE,
    Verdict.MISMATCH,
    Verdict.MISSING,
    Verdict.UNKNOWN,
    Verdict.LATE,
    Verdict.SHED,
    Verdict.FAILED,
    Verdict.ACTED,
    Verdict.MATCH,
)
MAX_VALUE_CHARACTERS = 300  # of a value shown as evidence
GOOD = frozenset({Verdict.MATCH, Verdict.ACTED})
MAX_NUMBER = 2**31 - 1  # numbers are stored as integers, and a vendor's ledger may hold anything


def number_of(fact: Fact) -> int:
    """The effect's number; where the source knows only the version, that event's first; 0 if it cannot be one."""
    number = fact.number or first_number(fact.version)
    return number if 0 <= number <= MAX_NUMBER else 0


def judgement(
    case: SubjectEvidence, number: int, verdict: Verdict, reason: str, evidence: Mapping[str, Json]
) -> Judgement:
    """`reason` is a `Reason`, or for what was shed the clause."""
    owner = "none" if case.owner is None else case.owner.value
    shown = {name: _shown(value) for name, value in evidence.items()}
    return Judgement(case.rules.step, case.subject_ref, number, owner, verdict, str(reason), evidence=shown)


def of_fact(
    case: SubjectEvidence, fact: Fact, verdict: Verdict, reason: str, *, side: str, number: int | None = None
) -> Judgement:
    """`side`: `expected` or `actual`, whichever the fact is."""
    return judgement(case, number or number_of(fact), verdict, reason, {side: dict(fact.fields)})


def under_way(fact: Fact) -> tuple[Verdict, Reason]:
    """The class of what is planned and that no vendor has accepted."""
    return (Verdict.UNKNOWN, Reason.UNSETTLED) if fact.unsettled else (Verdict.LATE, Reason.PENDING)


def of_pair(case: SubjectEvidence, pair: Pair, reason: Reason) -> Judgement:
    """MATCH, or MISMATCH with the fields that differ."""
    number = number_of(pair.expected) or number_of(pair.actual)
    if not pair.different:
        return judgement(case, number, Verdict.MATCH, Reason.SAME, {})
    values = {difference.path: dict(difference.values) for difference in pair.different}
    found = judgement(case, number, Verdict.MISMATCH, reason, values)
    return replace(found, fields=tuple(values))


def repeated(case: SubjectEvidence, pairs: Sequence[Pair], reason: Reason) -> list[Judgement]:
    return [
        of_fact(case, pair.actual, Verdict.DUPLICATE, reason, side="actual", number=number_of(pair.expected))
        for pair in pairs
    ]


def gravest(judgements: Iterable[Judgement]) -> list[Judgement]:
    """One judgement per number, in order of numbers; what it outweighs is kept as evidence, matches aside."""
    by_number: dict[int, list[Judgement]] = {}
    for one in judgements:
        by_number.setdefault(one.number, []).append(one)
    return [_gravest(by_number[number]) for number in sorted(by_number)]


def _gravest(judgements: list[Judgement]) -> Judgement:
    first, *others = sorted(judgements, key=lambda one: GRAVEST_FIRST.index(one.verdict))
    also = [f"{other.verdict}: {other.reason}" for other in others if other.verdict not in GOOD]
    return replace(first, evidence={**first.evidence, "also": also[:5]}) if also else first


def _shown(value: Json) -> Json:
    text = json.dumps(value, default=str)
    return json.loads(text) if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"
