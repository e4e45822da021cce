"""A short form of `python -m tests.faults judge`: eight runs, two losses."""

from __future__ import annotations

import os
import random
import sys

import pytest

from strangler.local.stack import Stack
from tests.faults.judge import run_judge
from tests.faults.judge_report import JudgeReport

pytestmark = pytest.mark.alone


@pytest.mark.timeout(300)
def test_under_kills_and_moves_each_loss_is_found_and_nothing_else_is(stack: Stack) -> None:
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    sys.stdout.write(f"FAULTS_SEED={seed}\n")

    report = run_judge(stack, runs=8, first=1, seed=seed, plants=2, earlier=JudgeReport(), say=print)

    assert report.false == []
    assert report.missed == []
    assert len(report.planted) == 2
    assert report.runs == 8
    assert min(report.flips["forward"], report.orders["offered"], report.pending_seen) > 0
