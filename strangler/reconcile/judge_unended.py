"""Acts of legacy without a record of their end: late while its process lives, then the vendor's word, or nobody's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.findings import judgement
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import CallState, OpenCall, SubjectEvidence
from strangler.step.intents import first_number


def unended(case: SubjectEvidence, told: Sequence[Fact] = ()) -> Iterator[Judgement]:
    """One judgement for each call that has not ended in success, and each due change without any record.

    `told`: what the vendor's ledger has beside what legacy says that it did.
    """
    numbers = {fact.number for fact in told}
    for call in _calls(case):
        verdict, reason = _of_call(case, call, in_ledger=call.number in numbers)
        yield judgement(case, call.number, verdict, reason, {"call": call.call})
    for change in _untold(case):
        number = first_number(change)
        verdict, reason = _of_change(case, change, in_ledger=number in numbers)
        yield judgement(case, number, verdict, reason, {"change": change})


def unanswered(case: SubjectEvidence, told: Sequence[Fact]) -> Iterator[Fact]:
    """What of the ledger answers none of these. A second entry under one number is one too many."""
    free = {call.number for call in _calls(case)} | {first_number(version) for version in _untold(case)}
    for number, facts in groupby(sorted(told, key=lambda fact: fact.number), key=lambda fact: fact.number):
        yield from list(facts)[1 if number in free else 0 :]


def explained(case: SubjectEvidence) -> set[int]:
    """Versions of which legacy's own records say why nothing is done."""
    return {call.version for call in case.legacy.open_calls} | set(_untold(case))


def _calls(case: SubjectEvidence) -> list[OpenCall]:
    """Calls that were begun. Of what was not due nothing is to be said, and nothing may be there."""
    return [call for call in case.legacy.open_calls if call.state is not CallState.NONE]


def _untold(case: SubjectEvidence) -> list[int]:
    """Due changes of which no record says anything. A finished hand-back is one: legacy may run it past its seam."""
    if case.legacy.handed_back == "done":
        return []
    told = {acted.version for acted in case.legacy.seam} | {call.version for call in case.legacy.open_calls}
    return [change.version for change in case.due if change.version not in told]


def _alive(case: SubjectEvidence, version: int) -> bool | None:
    """Whether the process of a change lives; None where nobody knows which it is."""
    found = [change.alive for change in case.legacy.changes if change.version == version]
    return found[0] if found else False


def _of_call(case: SubjectEvidence, call: OpenCall, *, in_ledger: bool) -> tuple[Verdict, Reason]:
    if in_ledger:  # a call that failed, or nobody ended, has reached the vendor all the same
        return Verdict.MATCH, Reason.LEDGER_SAYS
    if call.state is CallState.FAILED:
        return Verdict.FAILED, Reason.LEGACY_FAILED
    alive = _alive(case, call.version) if call.alive is None else call.alive
    if alive:
        return Verdict.LATE, Reason.STILL_ABLE
    if alive is None:
        return Verdict.UNKNOWN, Reason.PROCESS_UNKNOWN
    if case.ledger is None:
        return Verdict.UNKNOWN, Reason.DIED_IN_CALL
    return Verdict.MISSING, Reason.DIED_BEFORE


def _of_change(case: SubjectEvidence, version: int, *, in_ledger: bool) -> tuple[Verdict, Reason]:
    if in_ledger:
        return Verdict.MATCH, Reason.LEDGER_SAYS
    alive = _alive(case, version)
    if alive:
        return Verdict.LATE, Reason.STILL_ABLE
    if alive is None:
        return Verdict.UNKNOWN, Reason.PROCESS_UNKNOWN
    if case.running_hand_back:
        return Verdict.LATE, Reason.HANDING_BACK
    return Verdict.MISSING, Reason.NOBODY
