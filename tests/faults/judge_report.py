"""What a soak of the judge came to: added up over segments, and over campaigns that went on from one another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.campaign_report import CampaignReport

MOST_UNKNOWN = 0.25  # of the runs: a judge that mostly says unknown shows nothing


@dataclass
class JudgeReport(CampaignReport):
    """`next_run`: where `--from` goes on. `missed`, `false`: with their evidence; both must stay empty. `changed`:
    planted, and made up for by a later version of the order or by its hand-back. `pending_seen`: orders that were
    undecided when a run read legacy; `decided_between`: those of them that were decided before it read the new side.
    `dismissing_runs`: whose second look did not confirm something that was missing at the first frontier.
    """

    runs: int = 0
    next_run: int = 1
    seconds: float = 0.0
    planted: list[dict[str, Any]] = field(default_factory=list)
    found: int = 0
    missed: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    false: list[dict[str, Any]] = field(default_factory=list)
    orphans: int = 0
    orders: Counter[str] = field(default_factory=Counter)
    pending_seen: int = 0
    decided_between: int = 0
    undecided: int = 0
    second_looks: Counter[str] = field(default_factory=Counter)
    dismissing_runs: int = 0
    taken_out: int = 0
    unknown_runs: int = 0
    flips: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)

    def problems(self) -> list[str]:
        """Why the campaign is a finding, in words."""
        found = [f"{len(self.false)} false findings"] if self.false else []
        found += [f"{len(self.missed)} planted losses were not found, or classed wrongly"] if self.missed else []
        if self.interrupted:
            return found
        if self.unknown_runs > MOST_UNKNOWN * self.runs:
            found.append(f"{self.unknown_runs} of {self.runs} runs could mostly say nothing")
        if not self.decided_between:
            found.append("no order was decided between two reads: what this is for has not been tried")
        if not self.dismissing_runs:
            found.append("no second frontier has dismissed anything: what this is for has not been tried")
        return found

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "planted_count": len(self.planted), "false_count": len(self.false)}
