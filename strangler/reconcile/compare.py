"""The judge: from a case to one judgement per effect. Pure; reads no clock, so time never makes a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from strangler.facts import Judgement, Verdict
from strangler.ownership import Owner
from strangler.reconcile.case import Case
from strangler.reconcile.findings import gravest, judgement, of_fact
from strangler.reconcile.judge_legacy import judge_legacy
from strangler.reconcile.judge_new import judge_new
from strangler.reconcile.judge_shadow import judge_shadow
from strangler.reconcile.reasons import Reason

# Verdicts about something that is there. They are settled only by a second look at legacy: read naively, an order
# that commits between the two reads looks like an orphan.
SURPLUS = frozenset({Verdict.EXTRA, Verdict.ORPHAN, Verdict.DUPLICATE, Verdict.MISMATCH})


def judge(case: Case) -> list[Judgement]:
    """One judgement per effect number, in order of numbers.

    The caller reads in this order, or verdicts are wrong: legacy, then the positions, then the new side, then the
    ledger. Surplus verdicts of a case that is not `settled` are questions, not answers.
    """
    found = gravest(_judge(case))
    if case.why_unknown:
        return [replace(one, verdict=Verdict.UNKNOWN, reason=case.why_unknown, fields=()) for one in found]
    if case.settled and case.legacy.in_flight:
        return [_become_late(one, Reason.IN_FLIGHT) for one in found]
    return found


def second_look_needed(found: Judgement) -> bool:
    """Whether only a settled case can answer."""
    return found.verdict in SURPLUS or (found.verdict is Verdict.LATE and found.reason == Reason.MOVED_ON)


def answered(first: list[Judgement], settled: list[Judgement]) -> list[Judgement]:
    """The answers of a settled case put into the first look: what it does not confirm has become late.

    Absence is judged by the first look alone: only that one knows that the new side must have seen the event.
    """
    confirmed = {one.number: one for one in settled if one.verdict in SURPLUS}
    kept = [confirmed.pop(one.number, _withdrawn(one)) for one in first]
    return sorted([*kept, *confirmed.values()], key=lambda one: one.number)


def _withdrawn(one: Judgement) -> Judgement:
    return _become_late(one, Reason.MOVED_ON) if second_look_needed(one) else one


def _become_late(one: Judgement, reason: Reason) -> Judgement:
    return replace(one, verdict=Verdict.LATE, reason=reason.value, fields=())


def _judge(case: Case) -> Iterator[Judgement]:
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


def _orphans(case: Case) -> Iterator[Judgement]:
    """Effects without an order. What a shadow would have done is no effect, nor is a question to a vendor."""
    asked = () if case.rules.only_asks else case.ledger or ()
    for fact in [*case.new.actual, *asked]:
        yield of_fact(case, fact, Verdict.ORPHAN, Reason.NO_ORDER, side="actual")
    for number, kind in case.new.claims.items():
        if kind == "applied":
            yield judgement(case, number, Verdict.ORPHAN, Reason.NO_ORDER, {"claim": number})
    for acted in case.legacy.seam:
        for fact in acted.facts:
            yield of_fact(case, fact, Verdict.ORPHAN, Reason.NO_ORDER, side="actual")
