"""What a soak of the judge adds up to, when it goes on from an earlier one, and when it is a finding itself."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.judge import schedule
from tests.faults.judge_report import JudgeReport


def good(**changes: object) -> JudgeReport:
    known = {"runs": 10, "next_run": 11, "found": 1, "planted": [{"kind": "x"}], "decided_between": 3}
    known |= {"dismissing_runs": 1, "kills": Counter(relay=2)}
    return JudgeReport(**{**known, **changes})  # type: ignore[arg-type]


def test_a_campaign_goes_on_from_its_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"scenario": "judge", "kafka": "apache", **good(interrupted=True).to_json()}))
    report = JudgeReport.read(path)
    report.add(good(next_run=21))

    assert (report.runs, report.next_run, report.found, report.kills["relay"]) == (20, 21, 2, 4)
    assert not report.interrupted
    assert report.problems() == []
    assert JudgeReport.read(tmp_path / "none.json").runs == 0


@pytest.mark.parametrize(
    "changes",
    [{"false": [{}]}, {"missed": [{}]}, {"decided_between": 0}, {"dismissing_runs": 0}, {"unknown_runs": 3}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_false_missed_or_never_tried_is_a_finding(changes: dict[str, object]) -> None:
    assert good().problems() == []
    assert len(good(**changes).problems()) == 1


def test_an_interrupted_campaign_may_not_have_tried_everything() -> None:
    assert good(decided_between=0, interrupted=True).problems() == []
    assert good(false=[{}], interrupted=True).problems() == ["1 false findings"]


def test_all_losses_are_planned_whatever_the_segments() -> None:
    parts = [schedule(7, range(first, first + 100), 300, 30) for first in (1, 101, 201)]
    assert sum(len(kinds) for part in parts for kinds in part.values()) == 30
    assert len({kind for part in parts for kinds in part.values() for kind in kinds}) == 16
    assert sum(len(kinds) for kinds in schedule(7, range(1, 13), 12, 3).values()) == 3
    assert schedule(7, range(1, 13), 12, 3) == schedule(7, range(1, 13), 12, 3)
