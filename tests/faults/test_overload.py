"""A short load of ten times what a member can do: its memory keeps its bound, its effects stay single and in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.local.stack import Stack
from tests.faults.overload import LIMIT_BYTES, run_overload


@pytest.mark.alone
def test_tenfold_load_is_held_back_and_costs_neither_memory_nor_order(stack: Stack, tmp_path: Path) -> None:
    report = run_overload(stack, 10.0, tmp_path, print, measure_s=4.0)

    assert (report.skipped, report.duplicated_effects, report.inversions) == (0, 0, 0), report
    assert report.pauses > 0, report
    assert report.growth_bytes < LIMIT_BYTES, report
    assert (report.revoked, report.stalls, report.died) == (0, 0, False), report
