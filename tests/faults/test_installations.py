"""Two installations on one broker, briefly; `python -m tests.faults installations` takes a thousand orders of each."""

from __future__ import annotations

import sys

import pytest

from strangler.local.stack import Stack
from tests.faults.arguments import LEAST_ORDERS
from tests.faults.installations import run_installations


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_neither_of_two_installations_handles_an_event_of_the_other(stack: Stack) -> None:
    report = run_installations(stack, orders=LEAST_ORDERS, say=lambda line: print(line, file=sys.stderr))
    # Whether all have settled in time is the long run's question: here the machine may be anybody's.
    assert (report.foreign, report.mixed_positions) == (0, 0), report.to_json()
    assert "holds events of another installation" in report.refused, report.to_json()
    assert report.stopped > 0, report.to_json()
    assert min(report.orders.values()) > 0, report.to_json()
