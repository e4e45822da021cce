"""Two installations on the same topics of one broker; `python -m tests.faults installations` takes a thousand orders of
each, with topics of their own too.
"""

from __future__ import annotations

import pytest

from strangler.local.stack import Stack
from strangler.plan import load_plan
from tests.faults.installations import PLAN, InstallationsReport, collide


@pytest.mark.alone
@pytest.mark.timeout(400)
def test_neither_of_two_installations_handles_an_event_of_the_other(stack: Stack) -> None:
    report = InstallationsReport()
    folder = stack.folder / "other"
    folder.mkdir(mode=0o755)
    with Stack.start(folder, kafka=stack.bootstrap, say=lambda _: None) as other:
        collide(stack, other, load_plan(PLAN), report)
    assert (report.foreign, report.mixed_positions) == (0, 0), report.to_json()
    assert report.stopped > 0, report.to_json()
    assert min(report.orders.values()) > 0, report.to_json()
