"""A few seeds of the long consumer run; and its count, which must see every kind of damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.local.stack import Stack
from tests.faults.consumers import run_consumers
from tests.faults.members import Tally, tally

SEEDS = (2, 4, 9)  # a move, a kill, a zombie; the full run is `python -m tests.faults consumers --seeds 200`


@pytest.mark.timeout(240)
def test_faults_on_a_group_under_load_lose_double_and_reorder_nothing(stack: Stack, tmp_path: Path) -> None:
    report = run_consumers(stack, SEEDS, tmp_path)
    assert not report.found(), report.to_json()
    assert report.points.total() >= len(SEEDS)
    assert report.rebalances > 0
    assert report.pauses > 0


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
