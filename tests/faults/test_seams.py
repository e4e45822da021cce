"""A short form of `python -m tests.faults seams`: four seeds, both kinds of application, planted losses."""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from pathlib import Path

import pytest

from strangler.local.stack import Stack
from strangler.stages import Stage
from tests.faults.seam_case import POINTS, case_of
from tests.faults.seam_report import SeamReport
from tests.faults.seams import run_seams

PLACES = {
    ("desk", "seam.committed"),
    ("desk", "seam.begun"),
    ("shop", "seam.called"),
    ("shop", "continuation.claimed"),
}


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_whoever_is_killed_at_a_seam_nothing_is_lost_doubled_or_judged_wrongly(stack: Stack, tmp_path: Path) -> None:
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    sys.stdout.write(f"FAULTS_SEED={seed}\n")
    # On a ramp a point may be passed by, as chance shares the subjects out: the campaign has those stages, too.
    firm = (case for case in map(case_of, itertools.count(seed)) if case.stage is not Stage.RAMP)
    cases = {place: next(case for case in firm if (case.kind, case.point) == place) for place in sorted(PLACES)}
    seeds = sorted(case.seed for case in cases.values())

    report = run_seams(stack, seeds, tmp_path / "seams", SeamReport(), print)

    assert report.problems() == [], report.to_json()
    assert report.seeds == len(PLACES)
    assert report.stopped.total() >= len(PLACES) - 1, report.passed
    assert report.planted  # a loss a seed, once anything has reached the new side


def test_a_seed_is_the_same_each_time_and_all_points_take_turns() -> None:
    cases = [case_of(seed) for seed in range(1, len(POINTS) + 1)]
    assert cases == [case_of(case.seed) for case in cases]
    assert {(case.kind, case.point) for case in cases} == {(kind, point) for kind, point, _ in POINTS}


def test_a_campaign_that_goes_on_adds_to_its_report(tmp_path: Path) -> None:
    begun = SeamReport(seeds=3, next_seed=4, longest_settling_s=2.0, lost=["one"], interrupted=True)
    begun.stopped["desk seam.told"] += 1
    (tmp_path / "report.json").write_text(json.dumps(begun.to_json()))

    merged = SeamReport.read(tmp_path / "report.json")
    merged.add(SeamReport(seeds=2, next_seed=6, longest_settling_s=1.0, planted=[{"seed": 5}]))

    assert (merged.seeds, merged.next_seed, merged.longest_settling_s) == (5, 6, 2.0)
    assert (merged.stopped, merged.interrupted) == ({"desk seam.told": 1}, False)
    assert merged.problems() == ["1 lost, and nobody says so"]
