"""The judge: from a case to one judgement per effect. Pure; reads no clock, so time never makes a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from strangler.facts import Judgement, Verdict
from strangler.ownership import Owner
from strangler.reconcile.before_pinning import at_pinning
from strangler.reconcile.findings import gravest, judgement, of_fact
from strangler.reconcile.judge_legacy import judge_legacy
from strangler.reconcile.judge_new import judge_new
from strangler.reconcile.judge_shadow import judge_shadow
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import SubjectEvidence

# What looks unwanted only because legacy has not said yet that it wants it.
OPEN_UNTIL_DECIDED = frozenset({Reason.UNWANTED, Reason.PLANNED_UNWANTED, Reason.NO_VERSION, Reason.FUTURE_VERSION})


def judge(case: SubjectEvidence) -> list[Judgement]:
    """One judgement per effect number, in order of numbers.

    The caller reads in this order, or verdicts are wrong: legacy, then the positions, then the new side, then the
    ledger. Findings are questions for a second look (see `second_look`), not answers.
    """
    found = gravest(_judge(case))
    if case.why_unknown:
        return [replace(one, verdict=Verdict.UNKNOWN, reason=case.why_unknown, fields=()) for one in found]
    if case.settled and case.legacy.in_flight:
        return [become_late(one, Reason.IN_FLIGHT) for one in found]
    return found


def become_late(one: Judgement, reason: Reason) -> Judgement:
    return replace(one, verdict=Verdict.LATE, reason=reason.value, fields=())


def _judge(case: SubjectEvidence) -> Iterator[Judgement]:
    for one in _by_owner(case):
        yield _until_decided(one) if case.undecided else one


def _until_decided(one: Judgement) -> Judgement:
    """A subject may be committed before the rest of its chain has run, so one snapshot of it says nothing of what is
    absent. The decision brings it, or makes the absence a finding of a later run.
    """
    is_open = one.verdict is Verdict.MISSING or one.reason in OPEN_UNTIL_DECIDED
    return become_late(one, Reason.UNDECIDED) if is_open else one


def _by_owner(case: SubjectEvidence) -> Iterator[Judgement]:
    before, case = at_pinning(case)
    if before is not None:
        yield from judge_legacy(before)
    match case.owner:
        case None:
            yield from _orphans(case)
        case Owner.LEGACY:
            yield from judge_legacy(case)
        case Owner.SHADOW:
            yield from judge_shadow(case)
        case Owner.NEW:
            yield from judge_new(case)
        case _:
            assert_never(case.owner)


def _orphans(case: SubjectEvidence) -> Iterator[Judgement]:
    """Effects without a subject. What a shadow would have done is no effect, nor is a question to a vendor."""
    asked = () if case.rules.only_asks else case.ledger or ()
    for fact in [*case.new.actual, *asked]:
        yield of_fact(case, fact, Verdict.ORPHAN, Reason.NO_ORDER, side="actual")
    for number, kind in case.new.claims.items():
        if kind == "applied":
            yield judgement(case, number, Verdict.ORPHAN, Reason.NO_ORDER, {"claim": number})
    for acted in case.legacy.seam:
        for fact in acted.facts:
            yield of_fact(case, fact, Verdict.ORPHAN, Reason.NO_ORDER, side="actual")
