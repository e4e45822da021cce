"""A short form of `python -m tests.faults keys`: one seed."""

from __future__ import annotations

import os
import random
import sys

import pytest

from strangler.local.stack import Stack
from tests.faults.key_report import KeyReport
from tests.faults.keys import run_keys


@pytest.mark.tour
@pytest.mark.no_kafka
@pytest.mark.timeout(200)
def test_whatever_fails_a_key_has_one_effect_one_answer_and_an_end(stack: Stack) -> None:
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    sys.stdout.write(f"FAULTS_SEED={seed}\n")

    report = run_keys(stack, [seed], KeyReport())

    assert report.problems() == [], report.to_json()
    assert (report.requests, report.keys, report.kills) == (300, 240, 3)
    assert report.flips > 0
    assert report.statuses["201"] > report.requests / 2, report.to_json()
