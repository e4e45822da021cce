"""Subjects that legacy owns and the new side shadows: did both decide the same, event by event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from strangler.facts import Judgement, Verdict
from strangler.reconcile.findings import judgement, of_fact, of_pair, repeated
from strangler.reconcile.judge_legacy import against_ledger, intruders, nobody_acted
from strangler.reconcile.judge_unended import explained, unended
from strangler.reconcile.pairing import pair
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import Acted, CallState, SubjectEvidence, Visibility
from strangler.step.intents import first_number


def judge_shadow(case: SubjectEvidence) -> Iterator[Judgement]:
    """Legacy's account against the shadow's decisions, and against the vendor's ledger where there is one."""
    yield from intruders(case)
    if case.ledger is not None:
        yield from against_ledger(case)
    else:
        yield from unended(case)
    if case.rules.witnessed:
        yield from nobody_acted(case)
    decided = {acted.version: acted for acted in case.new.recorded}
    done = {acted.version: acted for acted in case.legacy.seam}
    nothing_due = {call.version for call in case.legacy.open_calls if call.state is CallState.NONE}
    done |= {version: Acted(version, ()) for version in nothing_due - done.keys()}
    for version in sorted(decided.keys() & done.keys()):
        yield from _both(case, done[version], decided[version])
    for version in sorted(done.keys() - decided.keys()):
        yield from _without_decision(case, done[version])
    for version in sorted(decided.keys() - done.keys() - explained(case)):
        yield from _without_legacy(case, decided[version])
    if not (case.rules.witnessed or case.legacy.changes or decided or done or case.ledger):
        yield judgement(case, first_number(1), Verdict.UNKNOWN, Reason.NO_ACCOUNT, {})


def _both(case: SubjectEvidence, done: Acted, decided: Acted) -> Iterator[Judgement]:
    """By place: legacy's calls that failed have numbers too, and the shadow decides nothing twice."""
    first = first_number(done.version)
    done = replace(done, facts=tuple(replace(fact, number=place) for place, fact in enumerate(done.facts, first)))
    if not done.facts and not decided.facts:  # they agree that there is nothing to do
        yield judgement(case, first_number(done.version), Verdict.MATCH, Reason.SAME, {})
    pairing = pair(done.facts, decided.facts, case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.SHADOW_DIFFERS)
    for fact in pairing.missing:
        yield of_fact(case, fact, Verdict.MISSING, Reason.SHADOW_WANTS_LESS, side="expected")
    yield from repeated(case, pairing.repeated, Reason.SHADOW_WANTS_MORE)
    for fact in pairing.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.SHADOW_WANTS_MORE, side="actual")


def _without_decision(case: SubjectEvidence, done: Acted) -> Iterator[Judgement]:
    """Every event below the frontier leaves a record, also when the step wants nothing."""
    if case.new.parked:
        verdict, reason = Verdict.LATE, Reason.PARKED
    elif case.state is Visibility.PASSED:
        verdict, reason = Verdict.MISSING, Reason.NOT_RECORDED
    else:
        verdict, reason = Verdict.LATE, Reason.BEHIND
    for fact in done.facts:
        yield of_fact(case, fact, verdict, reason, side="expected")
    if not done.facts:
        yield judgement(case, first_number(done.version), verdict, reason, {})


def _without_legacy(case: SubjectEvidence, decided: Acted) -> Iterator[Judgement]:
    """The record commits with the version: a version that the snapshot has without its record was never run. Where
    legacy's step refused the subject, its record was rolled back with what it had done: there is nothing to compare.
    """
    if case.legacy.order is not None and case.legacy.order.rejected_by == case.rules.step:
        return
    if decided.version <= case.version:
        verdict, reason = Verdict.MISSING, Reason.NOBODY
    elif case.settled:
        verdict, reason = Verdict.EXTRA, Reason.FUTURE_VERSION
    else:
        verdict, reason = Verdict.LATE, Reason.MOVED_ON
    for fact in decided.facts:
        yield of_fact(case, fact, verdict, reason, side="actual")
