"""Lag is true within half a second or two in a hundred, whatever becomes of the members; the long form is a command."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.local.stack import Stack
from tests.faults.lag import KINDS, LagReport, run_lag


@pytest.mark.timeout(420)
def test_lag_in_seconds_is_true_through_pauses_kills_rebalances_and_changes_of_topic(
    stack: Stack, tmp_path: Path
) -> None:
    report = run_lag(stack, tmp_path / "members", seconds=60.0)
    assert not report.found(), report.to_json()
    assert set(report.kinds) == set(KINDS)
    assert report.samples >= 40
    assert report.oldest_s > 60.0  # after the relay was away


@pytest.mark.parametrize(
    ("seen_s", "least_s", "most_s", "found"),
    [
        (None, None, None, ""),
        (None, 0.2, 0.3, ""),
        (None, 2.0, 2.0, "vanished"),
        (9.0, None, None, "ghosts"),
        (9.0, 8.8, 9.4, ""),
        (9.0, 9.6, 9.7, "wrong"),
        (9.0, 8.1, 8.3, "wrong"),
        (103.0, 100.0, 101.5, ""),
        (9.0, None, 9.4, ""),  # applied during the look
    ],
)
def test_what_is_judged(seen_s: float | None, least_s: float | None, most_s: float | None, found: str) -> None:
    report = LagReport()
    report.judge("calm", seen_s, least_s, most_s)
    lists = {"wrong": report.wrong, "ghosts": report.ghosts, "vanished": report.vanished}
    assert [name for name, one in lists.items() if one] == ([found] if found else [])
