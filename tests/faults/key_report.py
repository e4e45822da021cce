"""What a campaign of keys came to: added up over its seeds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.faults.campaign_report import CampaignReport


@dataclass
class KeyReport(CampaignReport):
    """`ways`: what the application did; `statuses`: of the answers that ended a key; `kills`: of facades;
    `flips`: moves of stages.

    Bars, each empty: `doubled` (two effects of one key), `unmade` (answered 201, and nothing is there), `differing`
    (a repeat that is not byte for byte what the first got), `endless` (a key without an end).
    """

    seeds: int = 0
    next_seed: int = 1
    seconds: float = 0.0
    requests: int = 0
    keys: int = 0
    kills: int = 0
    flips: int = 0
    longest_key_s: float = 0.0
    ways: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    doubled: list[str] = field(default_factory=list)
    unmade: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    endless: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Why the campaign is a finding, in words."""
        bars = {
            "keys with two effects": self.doubled,
            "answered as made, and not there": self.unmade,
            "repeats that differ": self.differing,
            "keys without an end": self.endless,
        }
        found = [f"{len(each)} {what}" for what, each in bars.items() if each]
        if not self.interrupted and self.seeds and not (self.kills and self.flips):
            found.append("no facade was killed, or no stage moved: what this is for has not been tried")
        return found
