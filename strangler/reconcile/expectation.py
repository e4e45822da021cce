"""What is really expected of an order: conditions resolved by what is there, open fields told by the vendor. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from strangler.facts import KIND, TARGET, UNOBSERVED, Fact
from strangler.reconcile.pairing import identity_of
from strangler.reconcile.subject_evidence import Rules, SubjectEvidence
from strangler.step.intents import Json


@dataclass(frozen=True, slots=True)
class Sides:
    """The facts of one kind, to be held against each other."""

    expected: Sequence[Fact]
    actual: Sequence[Fact]


def concerns_vendor(fact: Fact, rules: Rules) -> bool:
    """Whether a ledger should have it. A step may also write rows, and ask vendors that have no ledger; what the seam
    could not observe may have been a call.
    """
    if fact.fields.get(KIND) not in (None, "call", UNOBSERVED):
        return False
    vendor = str(fact.fields.get(TARGET, "")).partition(".")[0]
    return rules.vendors is None or fact.fields.get(KIND) != "call" or not vendor or vendor in rules.vendors


def due(case: SubjectEvidence) -> list[Fact]:
    """The oracle's facts whose condition holds. What is planned is there as well: it will be done."""
    identity = case.rules.identity
    done = [*(case.ledger or ()), *(fact for fact in case.new.actual if not fact.refused)]
    there = {identity_of(fact, identity) for fact in done}
    return [fact for each in case.legacy.oracle for fact in _resolved(each, there)]


def asked(case: SubjectEvidence, expected: Iterable[Fact]) -> Sides:
    """What a vendor is to be asked for, and what it was."""
    return _told(Sides(_calls(expected, case.rules), case.ledger or ()), case)


def planned(case: SubjectEvidence, expected: Iterable[Fact]) -> Sides:
    """The same, and what the new side says of it. A refused call is no effect."""
    return _told(Sides(_calls(expected, case.rules), _calls(case.new.actual, case.rules)), case)


def refusals(case: SubjectEvidence, expected: Iterable[Fact]) -> Sides:
    """Calls that the vendor must have refused, and those that it did."""
    return Sides([fact for fact in expected if fact.refused], [fact for fact in case.new.actual if fact.refused])


def rows(case: SubjectEvidence, expected: Iterable[Fact]) -> Sides:
    """What the new side writes itself: everything where no vendor is asked."""
    wanted, there = list(expected), list(case.new.actual)
    if case.ledger is not None:
        wanted = [fact for fact in wanted if not concerns_vendor(fact, case.rules)]
        there = [fact for fact in there if not concerns_vendor(fact, case.rules)]
    return _told(Sides(wanted, there), case)


def _calls(facts: Iterable[Fact], rules: Rules) -> list[Fact]:
    return [fact for fact in facts if concerns_vendor(fact, rules) and not fact.refused]


def _resolved(fact: Fact, there: set[str]) -> list[Fact]:
    if not fact.if_there:
        return [fact]
    if f"known:{fact.if_there}" in there:
        return [replace(fact, refused=False)]
    return [fact] if fact.refused else []


def _told(sides: Sides, case: SubjectEvidence) -> Sides:
    """Open fields filled in from the vendor's answers; those that no answer tells are not compared."""
    identity = case.rules.identity
    answers: dict[str, Json] = {}
    for entry in case.ledger or ():
        answers = {**entry.answer, **answers}
    untold = {
        identity_of(fact, identity): [name for name in fact.open_fields if name not in answers]
        for fact in sides.expected
    }
    expected = [_filled(fact, answers) for fact in sides.expected]
    actual = [_without(fact, untold.get(identity_of(fact, identity), ())) for fact in sides.actual]
    return Sides(expected, actual)


def _filled(fact: Fact, answers: Mapping[str, Json]) -> Fact:
    told = {name: answers[name] for name in fact.open_fields if name in answers}
    return replace(fact, fields={**fact.fields, **told}) if told else fact


def _without(fact: Fact, names: Sequence[str]) -> Fact:
    return replace(fact, fields={name: value for name, value in fact.fields.items() if name not in names})
