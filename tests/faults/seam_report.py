"""What a kill campaign of seams came to: added up over seeds, and over campaigns that went on from one another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.campaign_report import CampaignReport

UNKNOWN_WITHIN_S = 30.0


@dataclass
class SeamReport(CampaignReport):
    """`stopped` and `passed`: seeds by kind and point, killed there, or done without coming there. `killed_at`: by
    stage. `answers`: the last of each request. `changes`: of subjects, committed, by what became of their step;
    `verdicts`: at the end; `undecided`: what runs in between called UNKNOWN or late, when, and why.
    Bars, each empty or at most so much: `lost`, `doubled`, `wrong` (a verdict that later proved so), `unsettled`
    (UNKNOWN or late for too long), `longest_unknown_s` since the restart, `missed` (of `planted`).
    """

    seeds: int = 0
    next_seed: int = 1
    seconds: float = 0.0
    stopped: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    undecided: Counter[str] = field(default_factory=Counter)
    longest_unknown_s: float = 0.0
    longest_settling_s: float = 0.0
    planted: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Why the campaign is a finding, in words."""
        bars = {
            "lost, and nobody says so": self.lost,
            "doubled": self.doubled,
            "verdicts that later proved wrong": self.wrong,
            "not settled in time": self.unsettled,
            "planted and not found": self.missed,
        }
        found = [f"{len(each)} {what}" for what, each in bars.items() if each]
        if self.longest_unknown_s > UNKNOWN_WITHIN_S:
            found.append(f"something was UNKNOWN for {self.longest_unknown_s:.1f} s after a restart")
        if not self.interrupted and self.seeds and not self.planted:
            found.append("nothing was planted: whether a loss is found has not been tried")
        if not self.interrupted and not self.stopped:
            found.append("no process was killed: what this is for has not been tried")
        return found
