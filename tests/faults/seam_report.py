"""What a kill campaign of seams came to: added up over seeds, and over campaigns that went on from one another."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

UNKNOWN_WITHIN_S = 30.0


@dataclass
class SeamReport:
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
    interrupted: bool = False

    @classmethod
    def read(cls, path: Path) -> SeamReport:
        """An earlier campaign's, to be gone on with; an empty one where there is none."""
        report = cls()
        if path.is_file():
            report.add(cls(**{name: value for name, value in json.loads(path.read_text()).items() if name in _NAMES}))
            report.interrupted = False
        return report

    def add(self, other: SeamReport) -> None:
        for each in fields(self):
            mine, others = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(others)
            elif each.name == "next_seed" or each.name.startswith("longest"):
                setattr(self, each.name, max(mine, others))
            elif each.name == "interrupted":
                self.interrupted = mine or others
            else:
                setattr(self, each.name, mine + others)

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

    def to_json(self) -> dict[str, object]:
        document = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**document, "seconds": round(self.seconds, 1), "problems": self.problems()}


_NAMES = frozenset(each.name for each in fields(SeamReport))
