"""A subject that was told of before its pinning: those versions are legacy's, whoever owns the later ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strangler.facts import Fact
from strangler.ownership import ALL_LEGACY, Owner
from strangler.reconcile.judge_unended import answers
from strangler.reconcile.pairing import pair
from strangler.reconcile.subject_evidence import LegacySide, NewSide, SubjectEvidence
from strangler.step.intents import INTENTS_PER_EVENT

Parts = tuple[SubjectEvidence | None, SubjectEvidence]


def at_pinning(case: SubjectEvidence) -> Parts:
    """What was before the subject's pinning, as a case of legacy's, and what has been since; None: nothing was before.

    A version on which the new side has acted all the same is not left to legacy: both have acted then.
    """
    order, new = case.legacy.order, case.new
    if order is None or case.owner is Owner.LEGACY:
        return None, case
    acted_on = {number // INTENTS_PER_EVENT for number, kind in new.claims.items() if kind == "applied"}
    acted_on |= {acted.version for acted in new.recorded}
    versions = {change.version for change in case.legacy.changes if not change.pinned} - acted_on
    if not versions:
        return None, case
    # Rows that were backfilled are held against what is expected of them, whenever that was due.
    expected = set() if case.rules.stateful and new.actual else versions
    legacy, since = _parted(case.legacy, versions, expected)
    legacy = replace(legacy, order=replace(order, ownership=ALL_LEGACY))
    before = replace(case, legacy=legacy, new=NewSide())
    told, others = _told(before, versions)
    return replace(before, ledger=told), replace(case, legacy=since, ledger=others)


def _parted(side: LegacySide, versions: set[int], expected: set[int]) -> tuple[LegacySide, LegacySide]:
    def of(*, before: bool) -> LegacySide:
        return replace(
            side,
            oracle=[fact for fact in side.oracle if (fact.version in expected) is before],
            seam=[acted for acted in side.seam if (acted.version in versions) is before],
            open_calls=[call for call in side.open_calls if (call.version in versions) is before],
            changes=[change for change in side.changes if (change.version in versions) is before],
        )

    return of(before=True), of(before=False)


def _told(before: SubjectEvidence, versions: set[int]) -> tuple[Sequence[Fact] | None, Sequence[Fact] | None]:
    """The ledger's entries of these versions, and the others. One without a number goes to what it answers."""
    if before.ledger is None:
        return None, None
    done = [fact for acted in before.legacy.seam for fact in acted.facts]
    numbered = [fact for fact in before.ledger if fact.number]
    told = [fact for fact in numbered if fact.number // INTENTS_PER_EVENT in versions]
    unnumbered = [fact for fact in before.ledger if not fact.number]
    pairing = pair(done, [*told, *unnumbered], before.rules.identity)
    used = {id(each.actual) for each in pairing.pairs}
    left = [fact for fact in [*told, *unnumbered] if id(fact) not in used]
    used |= {id(fact) for fact in answers(before, left).values()}
    told += [fact for fact in unnumbered if id(fact) in used]
    of_before = {id(fact) for fact in told}
    return told, [fact for fact in before.ledger if id(fact) not in of_before]
