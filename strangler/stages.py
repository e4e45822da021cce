"""Stages: how far a step has been taken over, who therefore owns a subject, and which moves are allowed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from strangler.errors import Refused
from strangler.ownership import BUCKETS, Owner, Ownership, bucket


class Stage(StrEnum):
    """Of a step, in the order in which it is taken over."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    RAMP = "ramp"
    LIVE = "live"
    RETIRED = "retired"


ORDER = tuple(Stage)
PLACE: Mapping[Stage, int] = MappingProxyType({stage: place for place, stage in enumerate(ORDER)})


@dataclass(frozen=True, slots=True)
class StageRow:
    """A step's stage. `ramp_bp`: basis points of subjects that go to the new side while it is `ramp`.

    The salt never changes, so cohorts nest: whoever is inside at 5% is inside at 10%.
    """

    step: str
    stage: Stage
    ramp_bp: int
    salt: str

    def owner_of(self, subject_ref: str) -> Owner:
        """Who acts on a subject that is pinned now."""
        match self.stage:
            case Stage.LEGACY:
                return Owner.LEGACY
            case Stage.SHADOW:
                return Owner.SHADOW
            case Stage.RAMP:
                return Owner.NEW if bucket(subject_ref, self.salt) < self.ramp_bp else Owner.SHADOW
            case Stage.LIVE | Stage.RETIRED:
                return Owner.NEW
            case _:
                assert_never(self.stage)


@dataclass(frozen=True, slots=True)
class StageTable:
    """All steps that can move, as one epoch has them."""

    epoch: int
    rows: Sequence[StageRow]

    def row(self, step: str) -> StageRow | None:
        return next((row for row in self.rows if row.step == step), None)


@dataclass(frozen=True, slots=True)
class Move:
    """An allowed move between neighbours, or of the ramp."""

    step: str
    from_stage: Stage
    to_stage: Stage
    from_bp: int
    to_bp: int

    def __str__(self) -> str:
        return f"{self.step}: {spoken(self.from_stage, self.from_bp)} -> {spoken(self.to_stage, self.to_bp)}"


def stage_of(text: str) -> Stage:
    """A stage that this release does not know (a newer one wrote it) counts as legacy, the safe default."""
    return Stage(text) if text in PLACE else Stage.LEGACY


def ownership_for(table: StageTable, subject_ref: str) -> Ownership:
    """Who owns each step of a subject that is pinned at this epoch; legacy steps are left out, as in the header."""
    owners = {row.step: row.owner_of(subject_ref) for row in table.rows}
    return Ownership(table.epoch, {step: owner for step, owner in owners.items() if owner is not Owner.LEGACY})


def plan_move(row: StageRow, to: Stage, ramp_bp: int | None = None) -> Move | Refused:
    """The move, if `to` is a neighbour of the row's stage (or the ramp changes); `ramp_bp` belongs to `ramp` only."""
    refused = _bad_ramp(row, to, ramp_bp) or _no_neighbour(row, to)
    if refused is not None:
        return refused
    move = Move(row.step, row.stage, to, row.ramp_bp, ramp_bp or 0)
    if (move.from_stage, move.from_bp) == (move.to_stage, move.to_bp):
        return Refused(f"{row.step} is at {spoken(to, move.to_bp)} already", "nothing to do; see `strangler status`")
    return move


def spoken(stage: Stage, ramp_bp: int) -> str:
    """`ramp 25%`, `live`."""
    return f"{stage} {percent(ramp_bp)}" if stage is Stage.RAMP else str(stage)


def percent(ramp_bp: int) -> str:
    """Basis points as the command line takes them: 250 -> `2.5%`."""
    return f"{ramp_bp / 100:.10g}%"


def _bad_ramp(row: StageRow, to: Stage, ramp_bp: int | None) -> Refused | None:
    if to is not Stage.RAMP:
        if ramp_bp is None:
            return None
        return Refused(
            f"{to} has no ramp, {percent(ramp_bp)} was given", f"leave --ramp out, or move {row.step} to ramp"
        )
    if ramp_bp is None:
        return Refused(f"{row.step} would go to ramp, but not how far", "say how many subjects: --ramp 5%")
    if not 0 <= ramp_bp <= BUCKETS:
        return Refused(f"a ramp of {percent(ramp_bp)} is outside 0% to 100%", "say how many subjects: --ramp 5%")
    return None


def _no_neighbour(row: StageRow, to: Stage) -> Refused | None:
    distance = PLACE[to] - PLACE[row.stage]
    if row.stage is Stage.RETIRED:
        return Refused(f"{row.step} is retired: its legacy side may be gone", "no way back; take it over anew")
    if abs(distance) > 1:
        via = ORDER[PLACE[row.stage] + (1 if distance > 0 else -1)]
        return Refused(f"{row.step} is {row.stage}; {to} is not its neighbour", f"go to {via} first")
    return None
