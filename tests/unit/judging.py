"""Small words for the judge's tests: cases built by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strangler.facts import KIND, TARGET, Fact, SubjectFacts
from strangler.ownership import Owner, Ownership
from strangler.reconcile.compare import judge
from strangler.reconcile.subject_evidence import Acted, LegacySide, NewSide, Rules, SubjectEvidence, Visibility
from strangler.step.intents import Json

REF = "order-1"
MAIL = Rules("mailing", lambda fields: str(fields["template"]), stateful=False)
DOCUMENT = Rules("indexing", lambda _: "document", stateful=True)
CALL = {KIND: "call", TARGET: "mail.send"}


def mail(version: int = 1, template: str = "placed", *, number: int | None = None, **fields: Json) -> Fact:
    """A mail as a ledger or an oracle has it."""
    body = {"template": template, "total_minor": 250, **fields}
    return Fact(REF, version * 100 if number is None else number, version, body)


def pending(fact: Fact) -> Fact:
    return Fact(fact.subject_ref, fact.number, fact.version, fact.fields, pending=True)


def document(version: int, **fields: Json) -> Fact:
    return Fact(REF, version * 100, version, {"version": version, "text": "cup", **fields})


def acted(version: int, *facts: Fact, marks: Mapping[str, str] = CALL) -> Acted:
    """What a seam or a shadow wrote down: the body and the intent's own words."""
    return Acted(
        version, tuple(Fact(fact.subject_ref, fact.number, version, {**fact.fields, **marks}) for fact in facts)
    )


def case(
    owner: Owner | None,
    *,
    rules: Rules = MAIL,
    version: int = 1,
    epoch: int = 3,
    rejected_by: str = "",
    undecided: bool = False,
    oracle: Sequence[Fact] = (),
    seam: Sequence[Acted] = (),
    handed_back: str = "",
    in_flight: bool = False,
    claims: Mapping[int, str] | None = None,
    recorded: Sequence[Acted] = (),
    actual: Sequence[Fact] = (),
    parked: bool = False,
    shed: Mapping[int, str] | None = None,
    ledger: Sequence[Fact] | None = None,
    state: Visibility = Visibility.PASSED,
    why_unknown: str = "",
    settled: bool = False,
) -> SubjectEvidence:
    """An order of this owner; None: there is no such order. New-side orders have claimed what they did."""
    order = None
    if owner is not None:
        order = SubjectFacts(REF, version, Ownership(epoch, {rules.step: owner}), REF, rejected_by, undecided)
    if claims is None:
        claims = {number * 100: "applied" for number in range(1, version + 1)} if owner is Owner.NEW else {}
    legacy = LegacySide(order, oracle, seam, handed_back, in_flight)
    new = NewSide(claims, recorded, actual, parked, shed or {})
    return SubjectEvidence(rules, REF, legacy, new, state, ledger, why_unknown, settled)


def verdicts(given: SubjectEvidence) -> dict[int, str]:
    """What the judge says, by number."""
    return {one.number: one.verdict.value for one in judge(given)}


def only(given: SubjectEvidence) -> tuple[str, str, tuple[str, ...]]:
    """Verdict, reason and fields of the one judgement there is."""
    (one,) = judge(given)
    return one.verdict.value, one.reason, one.fields
