"""What a campaign of adversarial records came to: added up over seeds, and over campaigns that went on from another."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

BARS = ("lost", "doubled", "inversions", "silent", "deaf")


@dataclass
class RecordReport:
    """`records`: what was sent, by what became of it; `named`: stops, by what told of them; `stopped` and `passed`: by
    point, where the process stood still while the world changed, or where it never came. `longest_end_s`: from SIGTERM.

    The bars, each to be empty: `lost`, `doubled`, `inversions`, `silent`, `deaf`, and `missed`: planted and not found.
    `failed`: seeds that could not be played.
    """

    seeds: int = 0
    next_seed: int = 1
    seconds: float = 0.0
    records: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    stopped: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    longest_end_s: float = 0.0
    planted: list[dict[str, Any]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inversions: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    deaf: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    interrupted: bool = False

    @classmethod
    def read(cls, path: Path) -> RecordReport:
        """An earlier campaign's, to be gone on with; an empty one where there is none."""
        report = cls()
        if path.is_file():
            report.add(cls(**{name: value for name, value in json.loads(path.read_text()).items() if name in _NAMES}))
            report.interrupted = False
        return report

    def add(self, other: RecordReport) -> None:
        for each in fields(self):
            mine, others = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(others)
            elif each.name in {"next_seed", "longest_end_s"}:
                setattr(self, each.name, max(mine, others))
            elif each.name == "interrupted":
                self.interrupted = mine or others
            else:
                setattr(self, each.name, mine + others)

    def problems(self) -> list[str]:
        """Why the campaign is a finding, in words."""
        found = [f"{len(getattr(self, bar))} {bar}" for bar in BARS if getattr(self, bar)]
        found += [f"{len(self.missed)} planted and not found"] if self.missed else []
        found += [f"{len(self.failed)} seeds could not be played"] if self.failed else []
        if not self.interrupted and self.seeds and not self.named:
            found.append("nothing ever stopped: what this is for has not been tried")
        if not self.interrupted and self.seeds and not self.planted:
            found.append("nothing was planted: whether the judge finds anything has not been tried")
        return found

    def to_json(self) -> dict[str, object]:
        counted = {f"{bar}_count": len(getattr(self, bar)) for bar in BARS}
        document = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**document, **counted, "seconds": round(self.seconds, 1), "problems": self.problems()}


_NAMES = frozenset(each.name for each in fields(RecordReport))
