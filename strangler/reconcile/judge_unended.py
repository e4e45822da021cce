"""Acts of legacy without a record of their end: late while its process lives, then the vendor's word, or nobody's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.expectation import due
from strangler.reconcile.findings import judgement
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import CallState, OpenCall, SubjectEvidence
from strangler.step.intents import first_number


def unended(case: SubjectEvidence, told: Sequence[Fact] = ()) -> Iterator[Judgement]:
    """One judgement for each call that has not ended in success, and each due change without any record.

    `told`: what the vendor's ledger has beside what legacy says that it did.
    """
    numbers = answers(case, told)
    for call in _calls(case):
        verdict, reason = _of_call(case, call, in_ledger=call.number in numbers)
        yield judgement(case, call.number, verdict, reason, {"call": call.call})
    for change in _untold(case):
        number = first_number(change)
        verdict, reason = _of_change(case, change, in_ledger=number in numbers)
        yield judgement(case, number, verdict, reason, {"change": change})


def unanswered(case: SubjectEvidence, told: Sequence[Fact]) -> Iterator[Fact]:
    """What of the ledger answers none of these. A second entry under one number is one too many."""
    used = {id(fact) for fact in answers(case, told).values()}
    return (fact for fact in told if id(fact) not in used)


def answers(case: SubjectEvidence, told: Sequence[Fact]) -> dict[int, Fact]:
    """The entry that answers each of these, by its number. One without a number answers any that has no other: rather
    one of a process that is gone than of one that may still ask, and what legacy says has failed last.
    """
    calls = [(call.state is CallState.FAILED, bool(_is_alive(case, call)), 0, call.number) for call in _calls(case)]
    changes = [(False, bool(_alive(case, version)), 1, first_number(version)) for version in _untold(case)]
    numbered = {fact.number: fact for fact in reversed(told) if fact.number}
    others = iter([fact for fact in told if not fact.number])
    found: dict[int, Fact] = {}
    for *_, number in sorted([*calls, *changes]):
        answer = numbered.get(number) or next(others, None)
        if answer is not None:
            found[number] = answer
    return found


def may_still_act(case: SubjectEvidence) -> bool:
    """Whether a process lives that has changed the subject, or called for it."""
    return any([change.alive for change in case.legacy.changes] + [call.alive for call in case.legacy.open_calls])


def explained(case: SubjectEvidence) -> set[int]:
    """Versions of which legacy's own records say why nothing is done."""
    return {call.version for call in case.legacy.open_calls} | set(_untold(case))


def _calls(case: SubjectEvidence) -> list[OpenCall]:
    """Calls that were begun. Of what was not due nothing is to be said, and nothing may be there."""
    return [call for call in case.legacy.open_calls if call.state is not CallState.NONE]


def _untold(case: SubjectEvidence) -> list[int]:
    """Due changes of which no record says anything. A finished hand-back is one: legacy may run it past its seam. With
    a witness, those by which it wants anything: for the others legacy may have no seam at all.
    """
    if case.legacy.handed_back == "done":
        return []
    told = {acted.version for acted in case.legacy.seam} | {call.version for call in case.legacy.open_calls}
    untold = [change.version for change in case.due if change.version not in told]
    if not case.rules.witnessed:
        return untold
    wanted = {fact.version for fact in due(case) if not fact.refused}
    return [version for version in untold if version in wanted]


def _alive(case: SubjectEvidence, version: int) -> bool | None:
    """Whether the process of a change lives; None where nobody knows which it is."""
    found = [change.alive for change in case.legacy.changes if change.version == version]
    return found[0] if found else False


def _is_alive(case: SubjectEvidence, call: OpenCall) -> bool | None:
    return _alive(case, call.version) if call.alive is None else call.alive


def _of_call(case: SubjectEvidence, call: OpenCall, *, in_ledger: bool) -> tuple[Verdict, Reason]:
    if in_ledger:  # a call that failed, or nobody ended, has reached the vendor all the same
        return Verdict.MATCH, Reason.LEDGER_SAYS
    if call.state is CallState.FAILED:
        return Verdict.FAILED, Reason.LEGACY_FAILED
    alive = _is_alive(case, call)
    if alive:
        return Verdict.LATE, Reason.STILL_ABLE
    if alive is None:
        return Verdict.UNKNOWN, Reason.PROCESS_UNKNOWN
    if case.ledger is None or not case.rules.all_tell:  # nobody knows which of its vendors it was to ask
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
