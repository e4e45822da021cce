"""Subjects that the new side owns: what it did against what a witness expects, and legacy kept still."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.expectation import Sides, asked, due, planned, refusals, rows
from strangler.reconcile.findings import GRAVEST_FIRST, judgement, number_of, of_fact, of_pair, repeated, under_way
from strangler.reconcile.judge_account import absent, contradictions, judge_account
from strangler.reconcile.pairing import Pair, Pairing, identity_of, pair
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import SubjectEvidence, Visibility
from strangler.step.intents import INTENTS_PER_EVENT, first_number


def judge_new(case: SubjectEvidence) -> Iterator[Judgement]:
    yield from _legacy_acted(case)
    if not case.rules.witnessed:
        yield from judge_account(case)
        return
    expected = due(case)
    if case.ledger is not None:
        yield from _against_ledger(case, asked(case, expected), planned(case, expected))
        yield from _refused(case, refusals(case, expected))
    yield from _against_rows(case, rows(case, expected))
    yield from contradictions(case)  # last: of two findings on one number the witness's names the fields


def _legacy_acted(case: SubjectEvidence) -> Iterator[Judgement]:
    for acted in case.legacy.seam:
        number = first_number(acted.version)
        yield judgement(case, number, Verdict.EXTRA, Reason.BOTH_ACTED, {"seam_record_of_version": acted.version})
        for fact in acted.facts:
            yield of_fact(case, fact, Verdict.EXTRA, Reason.BOTH_ACTED, side="actual")


def _against_rows(case: SubjectEvidence, sides: Sides) -> Iterator[Judgement]:
    pairing = pair(sides.expected, sides.actual, case.rules.identity)
    for each in pairing.pairs:
        yield _row(case, each)
    for fact in pairing.missing:
        verdict, reason = _row_absent(case, fact)
        yield of_fact(case, fact, verdict, reason, side="expected")
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    for fact in pairing.extra:
        if case.rules.stateful and fact.version < case.version and case.state is not Visibility.PASSED:
            yield of_fact(case, fact, Verdict.LATE, Reason.BEHIND, side="actual")
        else:
            yield of_fact(case, fact, Verdict.EXTRA, Reason.UNWANTED, side="actual")


def _row_absent(case: SubjectEvidence, fact: Fact) -> tuple[Verdict, str]:
    """A row that follows a vendor's answer is written when that has come. Giving up a later version deletes no row."""
    waited_for = [row for row in case.new.actual if row.pending]
    if case.ledger is not None and waited_for:
        return min((under_way(row) for row in waited_for), key=lambda found: GRAVEST_FIRST.index(found[0]))
    verdict, reason = _absent(case, fact, Reason.NOT_APPLIED)
    first = number_of(fact) // INTENTS_PER_EVENT * INTENTS_PER_EVENT
    had_row = any(kind == "applied" and number < first for number, kind in case.new.claims.items())
    if verdict is Verdict.SHED and case.rules.stateful and had_row:
        return Verdict.MISSING, Reason.ROW_LOST
    return verdict, reason


def _row(case: SubjectEvidence, each: Pair) -> Judgement:
    expected, actual = each.expected, each.actual
    if actual.pending:
        return of_fact(case, expected, *under_way(actual), side="expected")
    if case.rules.stateful and actual.version < expected.version:
        verdict, reason = _absent(case, expected, Reason.OLD_VERSION)
        evidence = {"expected_version": expected.version, "actual_version": actual.version}
        return judgement(case, number_of(expected), verdict, reason, evidence)
    if case.rules.stateful and actual.version > case.version:
        verdict, reason = Verdict.LATE, Reason.MOVED_ON
        if case.settled:
            verdict, reason = Verdict.MISMATCH, Reason.FUTURE_VERSION
        return of_fact(case, actual, verdict, reason, side="actual", number=number_of(expected))
    return of_pair(case, each, Reason.OTHER_FIELDS)


def _against_ledger(case: SubjectEvidence, vendors: Sides, own: Sides) -> Iterator[Judgement]:
    """The vendor's word counts; the new side's own rows say whether the rest is on its way."""
    pairing = pair(vendors.expected, vendors.actual, case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.OTHER_FIELDS)
        if _unclaimed(case, each.expected):
            yield of_fact(case, each.expected, Verdict.EXTRA, Reason.UNCLAIMED, side="actual")
    plans = pair(own.expected, own.actual, case.rules.identity)
    for fact in pairing.missing:
        yield _unaccepted(case, fact, plans)
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    yield from repeated(case, plans.repeated, Reason.PLANNED_TWICE)
    for fact in pairing.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.UNWANTED, side="actual")
    for fact in plans.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.PLANNED_UNWANTED, side="actual")


def _unaccepted(case: SubjectEvidence, fact: Fact, plans: Pairing) -> Judgement:
    """An effect that is done and that the vendor does not know is missing, wherever the consumer stands."""
    name = identity_of(fact, case.rules.identity)
    there = [each.actual for each in plans.pairs if identity_of(each.expected, case.rules.identity) == name]
    waited_for = [row for row in there if row.pending]
    if waited_for:
        return of_fact(case, fact, *under_way(waited_for[0]), side="expected")
    if there:
        return of_fact(case, fact, Verdict.MISSING, Reason.NOT_IN_LEDGER, side="expected")
    ended = [row for row in case.new.actual if row.refused and identity_of(row, case.rules.identity) == name]
    if ended:
        reason = Reason.NEVER_ACCEPTED if ended[0].never_accepted else Reason.REFUSED
        refused = (Verdict.LATE, Reason.UNDECIDED) if fact.pending else (Verdict.MISSING, reason)
        return of_fact(case, fact, *refused, side="expected")
    return of_fact(case, fact, *_absent(case, fact, Reason.NEVER_PLANNED), side="expected")


def _refused(case: SubjectEvidence, sides: Sides) -> Iterator[Judgement]:
    """A subject is rejected at a vendor's step because the vendor said no to exactly that."""
    pairing = pair(sides.expected, sides.actual, case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.OTHER_FIELDS)
    for fact in pairing.missing:
        verdict, reason = _absent(case, fact, Reason.NEVER_REFUSED)
        yield of_fact(case, fact, verdict, reason, side="expected")


def _unclaimed(case: SubjectEvidence, expected: Fact) -> bool:
    """Whoever acts has the claim, committed before a vendor is asked."""
    first = _claimed_as(case, expected)
    return first > 0 and case.new.claims.get(first) != "applied"


def _claimed_as(case: SubjectEvidence, fact: Fact) -> int:
    """The number of the claim that the fact is done under: the highest of its version's that is not above its own."""
    number = number_of(fact)
    first = number // INTENTS_PER_EVENT * INTENTS_PER_EVENT
    return max((claimed for claimed in case.new.claims if first <= claimed <= number), default=first)


def _absent(case: SubjectEvidence, fact: Fact, reason: Reason) -> tuple[Verdict, str]:
    return (Verdict.LATE, Reason.UNDECIDED) if fact.pending else absent(case, _claimed_as(case, fact), reason)
