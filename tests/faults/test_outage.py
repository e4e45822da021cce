"""A short outage of the payment vendor under the real contexts; the long one asks for the goals of speed too."""

from __future__ import annotations

import pytest

from strangler.local.stack import Stack
from tests.faults.outage import SPEED, Scale, run_outage

QUICK = Scale(outage_s=40.0, compress=10.0, limit_per_s=40.0, calm_s=1.5, overload_s=1.5)
ATTEMPTS_LIMIT = 1.25  # an outage costs each instance some twenty probes, and there are few orders to share them


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_no_order_is_lost_oversold_or_charged_twice_by_an_outage(
    stack: Stack, database: str, topic_prefix: str
) -> None:
    report = run_outage(stack, database, topic_prefix, QUICK)

    assert set(report.missed) <= SPEED, report
    assert report.breaker_opened > 0, report
    assert report.found.standing["done"] > 0, report
    assert report.found.standing["compensated"] > 0, report
    assert report.attempts_per_delivery <= ATTEMPTS_LIMIT, report
