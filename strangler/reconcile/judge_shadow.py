"""Orders that legacy owns and the new side shadows: did both decide the same, event by event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from strangler.reconcile.case import Acted, Case, State
from strangler.reconcile.facts import Fact, Judgement, Verdict
from strangler.reconcile.findings import judgement, of_fact, of_pair, repeated
from strangler.reconcile.judge_legacy import against_ledger, intruders, nobody_acted
from strangler.reconcile.pairing import pair
from strangler.reconcile.reasons import Reason
from strangler.step.intents import first_number


def judge_shadow(case: Case) -> Iterator[Judgement]:
    """Legacy's account against the shadow's decisions, and against the vendor's ledger where there is one."""
    yield from intruders(case)
    if case.ledger is not None:
        yield from against_ledger(case)
    decided = {acted.version: acted for acted in case.new.recorded}
    done = {acted.version: acted for acted in case.legacy.seam}
    for version in sorted({*decided, *done}):
        yield from _event(case, version, done.get(version), decided.get(version))
    yield from (one for one in nobody_acted(case) if not _is_decided(one, decided))


def _event(case: Case, version: int, done: Acted | None, decided: Acted | None) -> Iterator[Judgement]:
    if done is None:
        yield from _without_legacy(case, version, decided.facts if decided else ())
    elif decided is None:
        yield from _without_decision(case, done)
    else:
        yield from _both(case, done, decided)


def _both(case: Case, done: Acted, decided: Acted) -> Iterator[Judgement]:
    if not done.facts and not decided.facts:
        yield judgement(case, first_number(done.version), Verdict.MATCH, Reason.SAME, {})
    pairing = pair(done.facts, decided.facts, case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.SHADOW_DIFFERS)
    for fact in pairing.missing:
        yield of_fact(case, fact, Verdict.MISSING, Reason.SHADOW_WANTS_LESS, side="expected")
    yield from repeated(case, pairing.repeated, Reason.SHADOW_WANTS_MORE)
    for fact in pairing.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.SHADOW_WANTS_MORE, side="actual")


def _without_decision(case: Case, done: Acted) -> Iterator[Judgement]:
    """Every event below the frontier leaves a record, also when the step wants nothing."""
    if case.new.parked:
        verdict, reason = Verdict.LATE, Reason.PARKED
    elif case.state is State.PASSED:
        verdict, reason = Verdict.MISSING, Reason.NOT_RECORDED
    else:
        verdict, reason = Verdict.LATE, Reason.BEHIND
    for fact in done.facts:
        yield of_fact(case, fact, verdict, reason, side="expected")
    if not done.facts:
        yield judgement(case, first_number(done.version), verdict, reason, {})


def _without_legacy(case: Case, version: int, facts: Sequence[Fact]) -> Iterator[Judgement]:
    """The record commits with the version: a version that the snapshot has without its record was never run."""
    if version <= case.version:
        verdict, reason = Verdict.MISSING, Reason.NOBODY
    elif case.settled:
        verdict, reason = Verdict.EXTRA, Reason.FUTURE_VERSION
    else:
        verdict, reason = Verdict.LATE, Reason.MOVED_ON
    for fact in facts:
        yield of_fact(case, fact, verdict, reason, side="actual")


def _is_decided(one: Judgement, decided: dict[int, Acted]) -> bool:
    """A version that the shadow decided on is reported with the shadow's own facts."""
    return one.number // first_number(1) in decided
