"""A hearing: one step's orders become cases and judgements; what is surplus gets its second look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strangler.facts import Fact, Judgement, Verdict
from strangler.ownership import Owner
from strangler.reconcile.case import Case, State
from strangler.reconcile.compare import answered, judge, second_look_needed
from strangler.reconcile.frontier import Lane, StepFrontier
from strangler.reconcile.sides import ByOrder, JudgedStep, LegacySnapshot, NewSnapshot

BROKEN = StepFrontier(why_unknown="not read")


@dataclass(slots=True)
class Hearing:
    """What was read of a step at the first look, and, for the orders in `again`, at the second.

    `why_unknown`: a side could not be read, so that nothing of the step can be judged.
    """

    step: JudgedStep
    legacy: LegacySnapshot
    frontier: StepFrontier = BROKEN
    new: NewSnapshot = field(default_factory=NewSnapshot)
    ledger: ByOrder | None = None
    why_unknown: str = ""
    again: dict[str, list[Judgement]] = field(default_factory=dict)

    def first_look(self, is_news: Callable[[Judgement], bool]) -> Iterator[list[Judgement]]:
        """Judgements by order; orders that need a second look, and are worth one, are kept in `again` instead."""
        for order_ref in self._order_refs():
            found = judge(self.first_case(order_ref))
            if any(second_look_needed(one) and is_news(one) for one in found):
                self.again[order_ref] = found
            elif found:
                yield found

    def second_look(self, legacy: LegacySnapshot, new: NewSnapshot, why_unknown: str) -> Iterator[list[Judgement]]:
        """`new` was read after the ledger, `legacy` behind the transaction horizon; or it is said why not."""
        for order_ref, first in self.again.items():
            if why_unknown:
                found = [_unknown(one, why_unknown) if second_look_needed(one) else one for one in first]
            else:
                settled = judge(self.settled_case(order_ref, legacy, new))
                # An order that the first snapshot did not have is the next run's; only what is wrong is said now.
                found = answered(first if order_ref in self.legacy.orders else [], settled)
            if found:
                yield found

    def first_case(self, order_ref: str) -> Case:
        lane = self._lane(order_ref)
        side = self.legacy.side(self.step.name, order_ref)
        key = side.order.key if side.order else ""
        new = self.new.side(order_ref, key)
        owned_by_legacy = side.order is None or side.order.ownership.of(self.step.name) is Owner.LEGACY
        why = self.why_unknown or ("" if owned_by_legacy else lane.why)
        return Case(self.step.rules, order_ref, side, new, lane.state, self._ledger(order_ref), why)

    def settled_case(self, order_ref: str, legacy: LegacySnapshot, new: NewSnapshot) -> Case:
        """The lane's state holds for the first snapshot; a version that came since may be on its way."""
        side = legacy.side(self.step.name, order_ref)
        before = self.legacy.orders.get(order_ref)
        same = before is not None and side.order is not None and before.version == side.order.version
        state = self._lane(order_ref).state if same else State.BEHIND
        new_side = new.side(order_ref, side.order.key if side.order else "")
        return Case(self.step.rules, order_ref, side, new_side, state, self._ledger(order_ref), settled=True)

    def _lane(self, order_ref: str) -> Lane:
        order = self.legacy.orders.get(order_ref)
        return Lane(State.BEHIND) if order is None else self.frontier.of_key(order.key)

    def _ledger(self, order_ref: str) -> Sequence[Fact] | None:
        """A step with a vendor keeps its rules also where the ledger could not be read."""
        if self.step.check.ledger is None:
            return None
        return (self.ledger or {}).get(order_ref, ())

    def _order_refs(self) -> list[str]:
        """Everybody whom a side speaks of. What a shadow alone speaks of is no effect."""
        of_step = self.legacy.steps[self.step.name]
        sources: list[Mapping[str, object]] = [self.legacy.orders, of_step.seam, self.new.claims, self.new.actual]
        return sorted({order_ref for source in [*sources, self.ledger or {}] for order_ref in source})


def _unknown(one: Judgement, why: str) -> Judgement:
    return replace(one, verdict=Verdict.UNKNOWN, reason=why, fields=())
