"""Faults planted by another process that the judge knows nothing of, and whether the judge found them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from legacy_app.rehearsal import commands, script
from legacy_app.rehearsal.scene import Scene
from legacy_app.rehearsal.script import STUCK
from strangler.local import Running
from strangler.operating import Judgement
from strangler.service import Json

PLANTED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault as its planter describes it, and the class in which the judge must put it."""

    kind: str
    step: str
    order_ref: str
    verdict: str

    @classmethod
    def of(cls, said: Json) -> Planted:
        return cls(said["kind"], said["step"], said["subject_ref"], said["expected_verdict"])


def plant(scene: Scene) -> list[Planted]:
    """Plant every kind but the stuck event, each on an order of the planter's choice; side by side."""
    kinds = [kind for kind in script.FAULTS if kind != STUCK]
    planters = [
        commands.start(scene.stack, f"plant-{kind}", [*script.PLANT, kind, "--json"], scene.environ) for kind in kinds
    ]
    return [Planted.of(commands.finish(planter, PLANTED_WITHIN_S)) for planter in planters]


def hold_stuck(scene: Scene, order_ref: str) -> tuple[Running, Planted]:
    """Hold the coming order's claim in an open transaction of another process."""
    argv = [*script.PLANT, STUCK, "--order-ref", order_ref, "--json"]
    holder = commands.start(scene.stack, f"plant-{STUCK}", argv, scene.environ, ready=True)
    return holder, Planted.of(commands.said(holder))


def found(planted: Sequence[Planted], judgements: Sequence[Judgement]) -> list[Planted]:
    """Those that stand among the findings with their right class."""
    findings = {(finding.step, finding.subject_ref, finding.verdict.value) for finding in judgements}
    return [fault for fault in planted if (fault.step, fault.order_ref, fault.verdict) in findings]


def unplanted(planted: Sequence[Planted], judgements: Sequence[Judgement]) -> list[Judgement]:
    """The findings that nobody planted."""
    known = {(fault.step, fault.order_ref) for fault in planted}
    return [finding for finding in judgements if (finding.step, finding.subject_ref) not in known]
