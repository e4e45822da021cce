"""Subjects that legacy owns: did it act, did the vendor hear of it, and did nobody else act."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.expectation import concerns_vendor, due, rows
from strangler.reconcile.findings import judgement, number_of, of_fact, of_pair, repeated
from strangler.reconcile.judge_unended import explained, may_still_act, unanswered, unended
from strangler.reconcile.pairing import pair
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import SubjectEvidence
from strangler.step.intents import first_number


def judge_legacy(case: SubjectEvidence) -> Iterator[Judgement]:
    """The frontier plays no part: where the seam's record commits with the subject the vendor was asked before, and
    where it comes later the process says whether it may still.
    """
    yield from intruders(case)
    if case.ledger is not None:
        yield from against_ledger(case)
    else:
        yield from unended(case)
    if not case.rules.witnessed:
        yield from _own_word(case)
    elif case.ledger is None:
        yield from nobody_acted(case)
        yield from _witnessed(case)


def _witnessed(case: SubjectEvidence) -> Iterator[Judgement]:
    """What legacy says that it did, beside a witness and no ledger: confirmed where it is just what is expected. The
    rows of a backfill are judged themselves.
    """
    if "backfilled" in case.new.claims.values():
        return
    expected, seam = due(case), case.legacy.seam
    if case.rules.stateful:  # a row has replaced those before it
        newest = max((fact.version for fact in expected), default=0)
        seam = [acted for acted in seam if acted.version >= newest]
    done = [fact for acted in seam for fact in acted.facts]
    pairs = pair(expected, done, case.rules.identity).pairs
    confirmed = {id(each.actual) for each in pairs if not each.different}
    for fact in done:
        said = (Verdict.MATCH, Reason.SAME) if id(fact) in confirmed else (Verdict.ACTED, Reason.LEGACY_WORD)
        yield judgement(case, number_of(fact), *said, {})
    wanted = {fact.version for fact in expected if not fact.refused}
    for acted in seam:
        if not acted.facts:  # it wanted nothing: so does the witness, or not
            said = (Verdict.ACTED, Reason.LEGACY_WORD) if acted.version in wanted else (Verdict.MATCH, Reason.SAME)
            yield judgement(case, first_number(acted.version), *said, {})


def _own_word(case: SubjectEvidence) -> Iterator[Judgement]:
    """What legacy says that it did, where neither a ledger nor a witness speaks of it."""
    for acted in case.legacy.seam:
        if not acted.facts:
            yield judgement(case, first_number(acted.version), Verdict.ACTED, Reason.LEGACY_WORD, {})
        for fact in acted.facts:
            if case.ledger is None or not concerns_vendor(fact, case.rules):
                yield judgement(case, number_of(fact), Verdict.ACTED, Reason.LEGACY_WORD, {})
    is_pinned = case.legacy.order is not None and case.legacy.order.ownership.epoch > 0
    if is_pinned and not (case.legacy.seam or case.legacy.open_calls or case.legacy.changes or case.ledger):
        yield judgement(case, first_number(1), Verdict.UNKNOWN, Reason.NO_ACCOUNT, {})


def intruders(case: SubjectEvidence) -> Iterator[Judgement]:
    """What the new side did with a subject that is not its own: claims, and rows unless they were backfilled."""
    for number, kind in case.new.claims.items():
        if kind == "applied":
            yield judgement(case, number, Verdict.EXTRA, Reason.NEW_ACTED, {"claim": number})
    if "backfilled" in case.new.claims.values():
        if case.rules.witnessed:
            yield from backfilled(case)
        return
    for fact in case.new.actual:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.NEW_ACTED, side="actual")


def backfilled(case: SubjectEvidence) -> Iterator[Judgement]:
    """Rows of legacy's subject against the oracle. They come when the backfill does: older ones are not wrong."""
    sides = rows(case, due(case))
    claimed = max(number for number, kind in case.new.claims.items() if kind == "backfilled")
    pairing = pair(sides.expected, sides.actual, case.rules.identity)
    for each in pairing.pairs:
        if each.actual.version < each.expected.version:
            yield of_fact(case, each.expected, Verdict.LATE, Reason.TO_BACKFILL, side="expected")
        elif each.actual.version > case.version and not case.settled:
            yield of_fact(case, each.actual, Verdict.LATE, Reason.MOVED_ON, side="actual")
        else:
            yield of_pair(case, each, Reason.OTHER_FIELDS)
    for fact in pairing.missing:
        late = number_of(fact) > claimed
        verdict, reason = (Verdict.LATE, Reason.TO_BACKFILL) if late else (Verdict.MISSING, Reason.BACKFILL_LOST)
        yield of_fact(case, fact, verdict, reason, side="expected")
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    for fact in pairing.extra:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.UNWANTED, side="actual")


def nobody_acted(case: SubjectEvidence) -> Iterator[Judgement]:
    """Where no ledger speaks, the seam's record is the only witness; a finished hand-back is one too: its audit says
    that legacy has run, and legacy may run it past the seam.
    """
    if case.legacy.handed_back == "done":
        return
    for fact in unrecorded(case):
        verdict, reason = _absent(case, fact, Reason.NOBODY)
        yield of_fact(case, fact, verdict, reason, side="expected")


def against_ledger(case: SubjectEvidence) -> Iterator[Judgement]:
    """What legacy says it asked for, against what the vendor was asked; where its record is lost, the oracle's word.

    Subjects from before the seams have neither owner nor record: their ledger entries are history, not findings.
    """
    before_seams = case.legacy.order is not None and case.legacy.order.ownership.epoch == 0
    if before_seams and not (case.legacy.seam or case.legacy.changes):
        return
    ledger = case.ledger or ()
    done = [fact for acted in case.legacy.seam for fact in acted.facts]
    wanted = [fact for fact in [*done, *unrecorded(case)] if concerns_vendor(fact, case.rules)]
    pairing = pair(wanted, ledger, case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.OTHER_FIELDS)
    for fact in pairing.missing:
        verdict, reason = _absent(case, fact, Reason.LEGACY_NOT_IN_LEDGER)
        yield of_fact(case, fact, verdict, reason, side="expected")
    # Without a number an entry that equals another may be the answer to a call that has not ended.
    told = [*pairing.extra, *(each.actual for each in pairing.repeated if not each.actual.number)]
    yield from unended(case, told)
    left = {id(fact) for fact in unanswered(case, told)}
    if may_still_act(case):
        loose = [fact for fact in told if id(fact) in left and not fact.number]
        left -= {id(fact) for fact in loose}
        for fact in loose:
            yield of_fact(case, fact, Verdict.LATE, Reason.STILL_ABLE, side="actual")
    twice = [each for each in pairing.repeated if each.actual.number or id(each.actual) in left]
    yield from repeated(case, twice, Reason.REPEATED)
    for fact in pairing.extra:
        if id(fact) in left:
            verdict, reason = _unwanted(case, fact)
            yield of_fact(case, fact, verdict, reason, side="actual")


def unrecorded(case: SubjectEvidence) -> list[Fact]:
    """What the oracle wants of events that the seam has no record of. Epoch 0: nobody pinned the subject, the seam
    may be younger than it.
    """
    if case.legacy.order is None or case.legacy.order.ownership.epoch == 0:
        return []
    recorded = {acted.version for acted in case.legacy.seam} | explained(case)
    return [fact for fact in due(case) if fact.version not in recorded and not fact.refused]


def _absent(case: SubjectEvidence, fact: Fact, reason: Reason) -> tuple[Verdict, Reason]:
    if fact.pending:  # legacy's turn has not come: the subject waits for an earlier step
        return Verdict.LATE, Reason.UNDECIDED
    if case.running_hand_back:
        return Verdict.LATE, Reason.HANDING_BACK
    return Verdict.MISSING, reason


def _unwanted(case: SubjectEvidence, fact: Fact) -> tuple[Verdict, Reason]:
    """Legacy calls before it commits: a rolled-back cancellation leaves its mail behind, as an order does."""
    if fact.number >= first_number(case.version + 1):
        return Verdict.ORPHAN, Reason.NO_VERSION
    return Verdict.EXTRA, Reason.UNWANTED
