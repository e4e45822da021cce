"""The judge against a second opinion: every owner, every step of the middle, every fate of an order, every fault."""

from dataclasses import replace

import pytest

from strangler.facts import Verdict
from strangler.reconcile.compare import judge
from strangler.reconcile.second_look import answered
from strangler.reconcile.subject_evidence import Visibility
from tests.unit.middle_faults import FAULTS, Fault
from tests.unit.middle_world import World, worlds


def described(world: World) -> str:
    return f"{world.rules.step}, {world.owner}, {world.fate}, {world.reach}"


def judged(world: World) -> dict[int, str]:
    """As a run does: what it finds is looked at a second time."""
    seen = world.case()
    return {
        one.number: one.verdict.value for one in answered(judge(seen), judge(replace(seen, settled=True)), judge(seen))
    }


def test_a_world_without_faults_has_nothing_but_matches_and_lag() -> None:
    for world in worlds():
        assert judged(world) == world.must, described(world)
        assert set(world.must.values()) <= {"match", "late"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_fault_gets_its_class_and_nothing_else_is_said(fault: Fault) -> None:
    struck = [world for world in worlds() if fault(world)]

    assert struck
    for world in struck:
        assert judged(world) == world.must, described(world)


def test_a_pending_order_never_misses_anything() -> None:
    for fault in FAULTS:
        for world in worlds():
            if world.fate == "pending" and fault(world) and not world.seam and not world.effects:
                assert "missing" not in judged(world).values(), (fault.__name__, described(world))


def test_an_order_that_the_plan_tells_undecided_misses_nothing_whatever_was_done_to_it() -> None:
    for fault in FAULTS:
        for world in worlds():
            if world.fate == "pending" and fault(world):
                told = world.case()
                assert told.legacy.order is not None
                order = replace(told.legacy.order, undecided=True)
                found = judge(replace(told, legacy=replace(told.legacy, order=order), settled=True))
                assert "missing" not in {one.verdict.value for one in found}, (fault.__name__, described(world))


def test_without_a_frontier_nothing_is_said() -> None:
    for fault in FAULTS:
        for world in worlds():
            if fault(world):
                unreached = replace(world.case(), state=Visibility.UNKNOWN, why_unknown="no relay")
                assert {one.verdict for one in judge(unreached)} <= {Verdict.UNKNOWN}
