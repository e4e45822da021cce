"""200 stage flips and demotions at random under load, with client retries and two facade workers."""

import os

import pytest

from strangler.local.stack import Stack
from tests.faults.__main__ import one

pytestmark = pytest.mark.alone


@pytest.mark.timeout(400)
def test_no_order_is_acted_on_by_both_sides_or_by_neither(stack: Stack) -> None:
    seed = int(os.environ.get("FLIPS_SEED", "20110601"))
    print(f"seed {seed}")

    report = one(stack, flips=200, seed=seed)

    assert (report.both, report.neither, report.pending) == (0, 0, 0)
    assert report.flips == 200
    assert report.epochs_unused == []
    assert report.orders >= 200
    assert min(report.demotions, report.retries, report.stalls, report.handed_back) > 0
    assert not any(report.findings.values()), report.findings
