"""Fixtures of the fault tests: choices that can be repeated, and vendors that misbehave as told."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.local.stack import Stack
from tests.support.vendors_server import Vendors, vendors_server


@pytest.fixture
def rng() -> random.Random:
    """`FAULTS_SEED=n` repeats a run; the seed is in the output of a failure."""
    seed = int(os.environ.get("FAULTS_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    sys.stdout.write(f"FAULTS_SEED={seed}\n")
    return random.Random(seed)


@pytest.fixture
def vendors(stack: Stack, tmp_path: Path) -> Iterator[Vendors]:
    with vendors_server(stack, tmp_path) as server:
        yield server
