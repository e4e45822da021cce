"""How long an application of others took, said to who runs the tests for it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

MEASURED = "STRANGERS_MEASURED"
FIRST_MATCH, LIVE_AND_BACK = "first_match_s", "live_and_back_s"


@dataclass(slots=True)
class Watch:
    """Runs from when it is made, which is before the application's tables are."""

    application: str
    started: float = field(default_factory=time.monotonic)
    seen: dict[str, float] = field(default_factory=dict)

    def saw(self, what: str) -> None:
        self.seen[what] = round(time.monotonic() - self.started, 1)

    def tell(self) -> None:
        """In the file that MEASURED names, if any."""
        if path := os.environ.get(MEASURED):
            Path(path).write_text(json.dumps({"application": self.application, **self.seen}))
