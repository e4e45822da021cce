"""What a finding needs before it is final: surplus an answer of a settled case, absence the same word a second time.

A finding of the first look is a claim made from one snapshot of each side about something that another snapshot may
still show: a subject that commits between two reads looks like an orphan, and its seam's record like one that is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from strangler.facts import Judgement, Verdict
from strangler.reconcile.compare import become_late
from strangler.reconcile.reasons import Reason

# Verdicts about something that is there: asked backwards, the effects first and legacy after them.
SURPLUS = frozenset({Verdict.EXTRA, Verdict.ORPHAN, Verdict.DUPLICATE, Verdict.MISMATCH})


def asks_of_surplus(found: Judgement) -> bool:
    """Whether only a settled case can answer."""
    return found.verdict in SURPLUS or (found.verdict is Verdict.LATE and found.reason == Reason.MOVED_ON)


def asks_of_absence(found: Judgement) -> bool:
    """Whether only a second frontier can answer."""
    return found.verdict is Verdict.MISSING


def second_look_needed(found: Judgement) -> bool:
    return asks_of_surplus(found) or asks_of_absence(found)


def answered(first: Sequence[Judgement], settled: Iterable[Judgement], again: Iterable[Judgement]) -> list[Judgement]:
    """The first look with its questions answered. What is not confirmed has become late: the next run judges it.

    `settled` judges what is there, `again` what is absent at the second frontier. Of what the first look had not asked
    `settled` alone may speak: what it finds wanted by nobody is so, whenever it came.
    """
    surplus = {one.number: one for one in settled if one.verdict in SURPLUS}
    absent = {one.number: one for one in again}
    kept = [surplus.pop(one.number) if one.number in surplus else _answer(one, absent) for one in first]
    return sorted([*kept, *surplus.values()], key=lambda one: one.number)


def _answer(one: Judgement, absent: Mapping[int, Judgement]) -> Judgement:
    if asks_of_surplus(one):
        return become_late(one, Reason.MOVED_ON)
    if not asks_of_absence(one):
        return one
    found = absent.get(one.number)
    # Nobody expects it any more, or something else is there now, of which this look cannot judge.
    if found is None or asks_of_surplus(found):
        return become_late(one, Reason.MOVED_ON)
    return found
