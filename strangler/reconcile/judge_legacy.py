"""Orders that legacy owns: did it act, did the vendor hear of it, and did nobody else act."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.facts import Fact, Judgement, Verdict
from strangler.reconcile.case import KIND, TARGET, UNOBSERVED, Case
from strangler.reconcile.findings import judgement, of_fact, of_pair, repeated
from strangler.reconcile.pairing import pair
from strangler.reconcile.reasons import Reason
from strangler.step.intents import first_number


def judge_legacy(case: Case) -> Iterator[Judgement]:
    """The frontier plays no part: the seam's record commits with the order, the vendor was asked before."""
    yield from intruders(case)
    if case.ledger is None:
        yield from nobody_acted(case)
    else:
        yield from against_ledger(case)


def intruders(case: Case) -> Iterator[Judgement]:
    """What the new side did with an order that is not its own: claims and rows."""
    for number, kind in case.new.claims.items():
        if kind == "applied":
            yield judgement(case, number, Verdict.EXTRA, Reason.NEW_ACTED, {"claim": number})
    for fact in case.new.actual:
        yield of_fact(case, fact, Verdict.EXTRA, Reason.NEW_ACTED, side="actual")


def nobody_acted(case: Case) -> Iterator[Judgement]:
    """Where no ledger speaks, the seam's record is the only witness; a finished hand-back is one too: its audit says
    that legacy has run, and legacy may run it past the seam.
    """
    if case.legacy.handed_back == "done":
        return
    for fact in unrecorded(case):
        verdict, reason = _absent(case, Reason.NOBODY)
        yield of_fact(case, fact, verdict, reason, side="expected")


def against_ledger(case: Case) -> Iterator[Judgement]:
    """What legacy says it asked for, against what the vendor was asked; where its record is lost, the oracle's word.

    Orders from before the seams have neither owner nor record: their ledger entries are history, not findings.
    """
    if case.legacy.order is not None and case.legacy.order.ownership.epoch == 0 and not case.legacy.seam:
        return
    asked = [_body(fact) for acted in case.legacy.seam for fact in acted.facts if _concerns_vendor(fact)]
    pairing = pair([*asked, *unrecorded(case)], case.ledger or (), case.rules.identity)
    for each in pairing.pairs:
        yield of_pair(case, each, Reason.OTHER_FIELDS)
    for fact in pairing.missing:
        verdict, reason = _absent(case, Reason.LEGACY_NOT_IN_LEDGER)
        yield of_fact(case, fact, verdict, reason, side="expected")
    yield from repeated(case, pairing.repeated, Reason.REPEATED)
    for fact in pairing.extra:
        verdict, reason = _unwanted(case, fact)
        yield of_fact(case, fact, verdict, reason, side="actual")


def unrecorded(case: Case) -> list[Fact]:
    """What the oracle wants of events that the seam has no record of. Epoch 0: nobody pinned the order, the seam
    may be younger than it.
    """
    if case.legacy.order is None or case.legacy.order.ownership.epoch == 0:
        return []
    recorded = {acted.version for acted in case.legacy.seam}
    return [fact for fact in case.legacy.oracle if fact.version not in recorded]


def _absent(case: Case, reason: Reason) -> tuple[Verdict, Reason]:
    if case.running_hand_back:
        return Verdict.LATE, Reason.HANDING_BACK
    return Verdict.MISSING, reason


def _unwanted(case: Case, fact: Fact) -> tuple[Verdict, Reason]:
    """Legacy calls before it commits: a rolled-back cancellation leaves its mail behind, as an order does."""
    if fact.number >= first_number(case.version + 1):
        return Verdict.ORPHAN, Reason.NO_VERSION
    return Verdict.EXTRA, Reason.UNWANTED


def _concerns_vendor(fact: Fact) -> bool:
    """A step may also write rows; what the seam could not observe may have been a call."""
    return fact.fields.get(KIND) in (None, "call", UNOBSERVED)


def _body(fact: Fact) -> Fact:
    """The fact without the intent's own words: a ledger knows only what it was asked."""
    fields = {name: value for name, value in fact.fields.items() if name not in (KIND, TARGET)}
    return Fact(fact.order_ref, fact.number, fact.version, fields)
