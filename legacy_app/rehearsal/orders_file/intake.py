"""The account of an orders file: every line read is in exactly one of its counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from legacy_app.rehearsal.orders_file.reason import EXPECTED, Reason, Unmatched
from outbox.command import printable

SHOWN = 120


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
    examples: dict[Reason, str] = field(default_factory=dict)

    def reject(self, reason: Reason, shown: str) -> None:
        """The line that was read last; `shown` of it, for people."""
        self.rejected[reason] += 1
        if reason not in self.examples:
            self.examples[reason] = f"line {self.lines + 1}: {printable(shown.strip())[:SHOWN]}"

    def commonest(self) -> str | None:
        """Why most of the rejected lines were: an example, and what was expected. None where none was rejected."""
        if not self.rejected:
            return None
        reason, count = self.rejected.most_common(1)[0]
        return (
            f"{self.rejected.total()} of {self.lines} lines were rejected, {count} of them by {reason}: "
            f"{self.examples[reason]!s}; expected: {EXPECTED[reason]}"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "order_lines": self.ordered,
            "cancellation_lines": self.cancelled,
            "rejected_by_reason": {reason.value: count for reason, count in sorted(self.rejected.items())},
            "unmatched_cancellations": {reason.value: count for reason, count in sorted(self.unmatched.items())},
            "complete": self.complete,
        }
