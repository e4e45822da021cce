"""A look at one step: what was read of both sides, in the order in which absence can be judged, as cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strangler.facts import Fact
from strangler.ownership import Owner
from strangler.reconcile.frontier import LaneFrontier, StepFrontier
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.snapshots import ByOrder, LegacySnapshot, NewSnapshot
from strangler.reconcile.subject_evidence import SubjectEvidence, Visibility

BROKEN = StepFrontier(why_unknown="not read")


@dataclass(frozen=True, slots=True)
class Look:
    """`legacy` was read first, then the frontier was awaited, then `new` was read, then `ledger`.

    `why_unknown`: a side could not be read, so that nothing of the step can be judged.
    """

    step: JudgedStep
    legacy: LegacySnapshot
    frontier: StepFrontier = BROKEN
    new: NewSnapshot = field(default_factory=NewSnapshot)
    ledger: ByOrder | None = None
    why_unknown: str = ""

    def case(self, subject_ref: str) -> SubjectEvidence:
        """What legacy wants and is not there is absent, as far as the frontier was reached."""
        lane = self._lane(subject_ref)
        side = self.legacy.side(self.step.name, subject_ref)
        key = side.order.key if side.order else ""
        new = self.new.side(subject_ref, key)
        owned_by_legacy = side.order is None or side.order.ownership.of(self.step.name) is Owner.LEGACY
        why = self.why_unknown or ("" if owned_by_legacy else lane.why)
        return SubjectEvidence(self.step.rules, subject_ref, side, new, lane.state, self._ledger(subject_ref), why)

    def settled_case(self, subject_ref: str, legacy: LegacySnapshot, new: NewSnapshot) -> SubjectEvidence:
        """What is there and legacy does not want is surplus: `new` was read after the ledger, `legacy` behind the
        transaction horizon. The lane's state holds for the first snapshot; a version that came since may be on its way.
        """
        side = legacy.side(self.step.name, subject_ref)
        before = self.legacy.orders.get(subject_ref)
        same = before is not None and side.order is not None and before.version == side.order.version
        state = self._lane(subject_ref).state if same else Visibility.BEHIND
        new_side = new.side(subject_ref, side.order.key if side.order else "")
        return SubjectEvidence(
            self.step.rules, subject_ref, side, new_side, state, self._ledger(subject_ref), settled=True
        )

    def subject_refs(self) -> list[str]:
        """Everybody whom a side speaks of. What a shadow alone speaks of is no effect."""
        of_step = self.legacy.steps[self.step.name]
        legacy: list[Mapping[str, object]] = [self.legacy.orders, of_step.seam, of_step.unended]
        new: list[Mapping[str, object]] = [self.new.claims, self.new.actual, self.ledger or {}]
        return sorted({subject_ref for source in [*legacy, *new] for subject_ref in source})

    def _lane(self, subject_ref: str) -> LaneFrontier:
        order = self.legacy.orders.get(subject_ref)
        return LaneFrontier(Visibility.BEHIND) if order is None else self.frontier.of_key(order.key)

    def _ledger(self, subject_ref: str) -> Sequence[Fact] | None:
        """A step with a vendor keeps its rules also where the ledger could not be read."""
        if self.step.ledger is None:
            return None
        return (self.ledger or {}).get(subject_ref, ())
