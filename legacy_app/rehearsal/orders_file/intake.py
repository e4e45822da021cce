"""The account of an orders file: every line read is in exactly one of its counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from legacy_app.rehearsal.orders_file.reason import Reason, Unmatched


@dataclass(slots=True)
class Intake:
    """Counts lines below the header. `complete` is False when reading ended before the file did.

    lines = ordered + cancelled + the rejected + the unmatched. The line at which reading stopped is in none.
    """

    lines: int = 0
    ordered: int = 0
    cancelled: int = 0
    rejected: Counter[Reason] = field(default_factory=Counter)
    unmatched: Counter[Unmatched] = field(default_factory=Counter)
    complete: bool = True

    def reject(self, reason: Reason) -> None:
        self.rejected[reason] += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "order_lines": self.ordered,
            "cancellation_lines": self.cancelled,
            "rejected_by_reason": {reason.value: count for reason, count in sorted(self.rejected.items())},
            "unmatched_cancellations": {reason.value: count for reason, count in sorted(self.unmatched.items())},
            "complete": self.complete,
        }
