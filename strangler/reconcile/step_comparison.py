"""A hearing: one step's subjects are judged at the first look; whose findings are news gets a second one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from strangler.facts import FINDINGS, Judgement, Verdict
from strangler.reconcile.compare import judge
from strangler.reconcile.look import Look
from strangler.reconcile.second_look import answered, asks_of_absence, asks_of_surplus, second_look_needed
from strangler.reconcile.snapshots import LegacySnapshot, NewSnapshot


@dataclass(frozen=True, slots=True)
class Backwards:
    """What answers surplus: `new` was read after the ledger, `legacy` after `new`; or `why_unknown` says why not."""

    legacy: LegacySnapshot
    new: NewSnapshot
    why_unknown: str = ""


@dataclass(slots=True)
class StepComparison:
    """The first look at a step, and the subjects that need a second one, with what was found of them.

    `counts`: findings that were looked at again (`missing_asked`, `surplus_asked`), and those of them that were not
    confirmed (`missing_dismissed`, `surplus_dismissed`).
    """

    look: Look
    again: dict[str, list[Judgement]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0

    @property
    def step(self) -> str:
        return self.look.step.name

    def first_look(self, is_news: Callable[[Judgement], bool]) -> Iterator[list[Judgement]]:
        """Judgements by subject; subjects that need a second look, and are worth one, are kept in `again` instead."""
        for subject_ref in self.look.subject_refs():
            self.looked_at += 1
            found = judge(self.look.case(subject_ref))
            if any(second_look_needed(one) and is_news(one) for one in found):
                self.again[subject_ref] = found
            elif found:
                yield found

    def asks(self, about: Callable[[Judgement], bool]) -> bool:
        return any(about(one) for found in self.again.values() for one in found)

    def second_look(self, backwards: Backwards | None, forwards: Look | None) -> Iterator[list[Judgement]]:
        """`backwards` answers surplus, `forwards` absence at a second frontier. None: nothing was asked of it."""
        for subject_ref, first in self.again.items():
            # A subject that the first snapshot did not have is the next run's; only what is wrong is said now.
            known = first if subject_ref in self.look.legacy.orders else []
            settled = self._settled(subject_ref, backwards)
            if backwards is not None and backwards.why_unknown:
                known = [_unknown(one, backwards.why_unknown) if asks_of_surplus(one) else one for one in first]
            found = answered(known, settled, judge(forwards.case(subject_ref)) if forwards else ())
            self._count(first, found)
            if found:
                yield found

    def _settled(self, subject_ref: str, backwards: Backwards | None) -> list[Judgement]:
        if backwards is None or backwards.why_unknown:
            return []
        return judge(self.look.settled_case(subject_ref, backwards.legacy, backwards.new))

    def _count(self, first: list[Judgement], found: list[Judgement]) -> None:
        still = {one.number for one in found if one.verdict in FINDINGS or one.verdict is Verdict.UNKNOWN}
        for one in first:
            if one.verdict in FINDINGS:
                kind = "missing" if asks_of_absence(one) else "surplus"
                self.counts[f"{kind}_asked"] += 1
                self.counts[f"{kind}_dismissed"] += one.number not in still


def _unknown(one: Judgement, why: str) -> Judgement:
    return replace(one, verdict=Verdict.UNKNOWN, reason=why, fields=())
