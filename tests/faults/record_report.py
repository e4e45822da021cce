"""What a campaign of adversarial records came to: added up over seeds, and over campaigns that went on from another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.campaign_report import CampaignReport

BARS = ("lost", "doubled", "inversions", "silent", "deaf")


@dataclass
class RecordReport(CampaignReport):
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
        return {**super().to_json(), **{f"{bar}_count": len(getattr(self, bar)) for bar in BARS}}
