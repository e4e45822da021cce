"""A short outage and the load after it: no retry storm, and the downstream is used as soon as it is back."""

from __future__ import annotations

import pytest

from tests.faults.downstream import ATTEMPTS_LIMIT, run_downstream
from tests.integration.consumer_faults import rig_in_memory
from tests.support.kafka.memory import MemoryBroker


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_an_outage_costs_few_attempts_and_everything_ends_delivered(database: str) -> None:
    with rig_in_memory(database, MemoryBroker(), partitions=4) as rig:
        report = run_downstream(rig, capacity=400, outage_s=4.0, overload_s=2.0)
    assert (report.lost, report.doubled, report.inversions) == (0, 0, 0), report
    assert report.attempts_per_delivery <= ATTEMPTS_LIMIT, report
    assert report.breaker_opened > 0, report
    assert report.goodput > 0.3, report  # short, on a busy machine; the long run asks for 0.9
