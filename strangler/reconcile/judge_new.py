"""Orders that the new side owns: what it did against what an independent oracle expects, and legacy kept still."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.case import Case, State
from strangler.reconcile.findings import judgement, number_of, of_fact, of_pair, repeated
from strangler.reconcile.pairing import Pair, Pairing, identity_of, pair
from strangler.reconcile.reasons import Reason
from strangler.step.intents import INTENTS_PER_EVENT, first_number


def judge_new(case: Case) -> Iterator[Judgement]:
    yield from _legacy_acted(case)
    if case.ledger is None:
        yield from _against_rows(case)
    else:
        yield from _against_ledger(case)


def _legacy_acted(case: Case) -> Iterator[Judgement]:
    for acted in case.legacy.seam:
        number = first_number(acted.version)
        yield judgement(case, number, Verdict.EXTRA, Reason.BOTH_ACTED, {"seam_record_of_version": acted.version})
        for fact in acted.facts:
            yield of_fact(case, fact, Verdict.EXTRA, Reason.BOTH_ACTED, side="actual")


def _against_rows(case: Case) -> Iterator[Judgement]:
    pairing = pair(case.legacy.oracle, case.new.actual, case.rules.identity)
    for each in pairing.pairs:
        yield _row(case, each)
    for fact in pairing.missing:
        verdict, reason = _absent(case, Reason.NOT_APPLIED)
        yield of_fact(case, fact, verdict, reason, side="expected")
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    for fact in pairing.extra:
        if case.rules.stateful and fact.version < case.version and case.state is not State.PASSED:
            yield of_fact(case, fact, Verdict.LATE, Reason.BEHIND, side="actual")
        else:
            yield of_fact(case, fact, Verdict.EXTRA, Reason.UNWANTED, side="actual")


def _row(case: Case, each: Pair) -> Judgement:
    expected, actual = each.expected, each.actual
    if actual.pending:
        return of_fact(case, expected, Verdict.LATE, Reason.PENDING, side="expected")
    if case.rules.stateful and actual.version < expected.version:
        verdict, reason = _absent(case, Reason.OLD_VERSION)
        evidence = {"expected_version": expected.version, "actual_version": actual.version}
        return judgement(case, number_of(expected), verdict, reason, evidence)
    if case.rules.stateful and actual.version > case.version:
        verdict, reason = Verdict.LATE, Reason.MOVED_ON
        if case.settled:
            verdict, reason = Verdict.MISMATCH, Reason.FUTURE_VERSION
        return of_fact(case, actual, verdict, reason, side="actual", number=number_of(expected))
    return of_pair(case, each, Reason.OTHER_FIELDS)


def _against_ledger(case: Case) -> Iterator[Judgement]:
    """The vendor's word counts; the new side's own rows say whether the rest is on its way."""
    pairing = pair(case.legacy.oracle, case.ledger or (), case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.OTHER_FIELDS)
        if _unclaimed(case, each.expected):
            yield of_fact(case, each.expected, Verdict.EXTRA, Reason.UNCLAIMED, side="actual")
    planned = pair(case.legacy.oracle, case.new.actual, case.rules.identity)
    for fact in pairing.missing:
        yield _unaccepted(case, fact, planned)
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    yield from repeated(case, planned.repeated, Reason.PLANNED_TWICE)
    for fact in pairing.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.UNWANTED, side="actual")
    for fact in planned.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.PLANNED_UNWANTED, side="actual")


def _unaccepted(case: Case, fact: Fact, planned: Pairing) -> Judgement:
    """An effect that is done and that the vendor does not know is missing, wherever the consumer stands."""
    name = identity_of(fact, case.rules.identity)
    rows = [each.actual for each in planned.pairs if identity_of(each.expected, case.rules.identity) == name]
    if any(row.pending for row in rows):
        return of_fact(case, fact, Verdict.LATE, Reason.PENDING, side="expected")
    if rows:
        return of_fact(case, fact, Verdict.MISSING, Reason.NOT_IN_LEDGER, side="expected")
    verdict, reason = _absent(case, Reason.NEVER_PLANNED)
    return of_fact(case, fact, verdict, reason, side="expected")


def _unclaimed(case: Case, expected: Fact) -> bool:
    """Whoever acts has the claim of the event's first number, committed before a vendor is asked."""
    first = number_of(expected) // INTENTS_PER_EVENT * INTENTS_PER_EVENT
    return first > 0 and case.new.claims.get(first) != "applied"


def _absent(case: Case, reason: Reason) -> tuple[Verdict, Reason]:
    if case.running_hand_back:
        return Verdict.LATE, Reason.HANDING_BACK
    if case.new.parked:
        return Verdict.LATE, Reason.PARKED
    if case.state is State.PASSED:
        return Verdict.MISSING, reason
    return Verdict.LATE, Reason.BEHIND
