"""What every campaign's report does: it adds up, over its parts and over a campaign that goes on from another."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self


@dataclass
class CampaignReport(ABC):
    """A dataclass of counts, times and findings, each with a default. Of `next_...` and `longest_...` the largest
    counts, of all else the sum.
    """

    interrupted: bool = False

    @classmethod
    def read(cls, path: Path) -> Self:
        """An earlier campaign's, to be gone on with; an empty one where there is none."""
        report, known = cls(), {each.name for each in fields(cls)}
        if path.is_file():
            report.add(cls(**{name: value for name, value in json.loads(path.read_text()).items() if name in known}))
            report.interrupted = False
        return report

    def add(self, other: Self) -> None:
        for each in fields(self):
            mine, others = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Counter):
                mine.update(others)
            elif each.name.startswith(("next_", "longest_")):
                setattr(self, each.name, max(mine, others))
            elif isinstance(mine, bool):
                setattr(self, each.name, mine or others)
            else:
                setattr(self, each.name, mine + others)

    @abstractmethod
    def problems(self) -> list[str]:
        """Why the campaign is a finding, in words."""

    def to_json(self) -> dict[str, object]:
        document = {each.name: getattr(self, each.name) for each in fields(self)}
        document["seconds"] = round(document.get("seconds", 0.0), 1)
        return {**document, "problems": self.problems()}
