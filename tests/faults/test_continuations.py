"""A handful of the seeds of `python -m tests.faults continuations`: each named point once, at random seeds."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from strangler.local.stack import Stack
from tests.faults.continuation_case import POINTS
from tests.faults.continuations import run_continuations

pytestmark = pytest.mark.no_kafka


@pytest.mark.timeout(300)
def test_the_rest_of_the_chain_runs_exactly_once_whoever_is_killed(stack: Stack, tmp_path: Path) -> None:
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    sys.stdout.write(f"FAULTS_SEED={seed}\n")

    report = run_continuations(stack, range(seed, seed + len(POINTS)), tmp_path / "logs", players=2)

    assert report.problems == []
    assert report.seeds == len(POINTS)
    assert report.stopped.total() >= 5, report.stopped  # where a refusal or an early outcome passes a point by
