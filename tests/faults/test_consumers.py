"""A few seeds of the long consumer run; its count, which must see every kind of damage; and what it missed itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.local.stack import Stack
from tests.faults import consumers
from tests.faults.consumers import ConsumerReport, run_consumers, unseen
from tests.faults.members import Tally, tally

SEEDS = (2, 4, 9)  # a move, a kill, a zombie; the full run is `python -m tests.faults consumers --seeds 200`


@pytest.mark.timeout(240)
def test_faults_on_a_group_under_load_lose_double_and_reorder_nothing(stack: Stack, tmp_path: Path) -> None:
    report = run_consumers(stack, SEEDS, tmp_path)
    assert not report.found(), report.to_json()
    assert report.points.total() >= len(SEEDS)
    assert report.missed == []
    assert report.rebalances > 0
    assert report.pauses > 0


def test_a_point_that_no_member_came_to_is_a_finding_not_a_fault_that_was_set(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "POINTS", ("consumer.nowhere",))
    monkeypatch.setattr(consumers, "REACHED_WITHIN_S", 1.0)
    report = run_consumers(stack, (9,), tmp_path)
    assert report.missed == ["seed 9: zombie consumer.nowhere"]
    assert not report.points
    assert report.found()
    assert (report.lost, report.duplicated_effects, report.inversions) == (0, 0, 0)


@pytest.mark.parametrize(
    ("pauses", "rebalances", "missed"),
    [(1, 1, []), (0, 1, ["the run: no pause"]), (1, 0, ["the run: no rebalance"])],
)
def test_a_run_without_pauses_or_rebalances_has_shown_nothing(pauses: int, rebalances: int, missed: list[str]) -> None:
    report = ConsumerReport(asked=1, seeds=[1], pauses=pauses, rebalances=rebalances)
    report.missed = unseen(report)
    assert report.missed == missed
    assert report.found() == bool(missed)


@pytest.mark.parametrize(
    ("effects", "found"),
    [
        ([("a", 1), ("b", 1), ("a", 2)], Tally(0, 0, 0)),
        ([("a", 1), ("b", 1)], Tally(1, 0, 0)),
        ([("a", 1), ("b", 1), ("a", 2), ("b", 1)], Tally(0, 1, 0)),
        ([("a", 2), ("b", 1), ("a", 1)], Tally(0, 0, 1)),
    ],
)
def test_the_count_sees_loss_doubles_and_inversions(effects: list[tuple[str, int]], found: Tally) -> None:
    assert tally({"a": 2, "b": 1}, effects) == found
