"""What a replay came to: counted while it runs, under one lock, one line of JSON for each order."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TextIO

from legacy_app.rehearsal.orders_file import CancelOrder, PlaceOrder
from legacy_app.rehearsal.replay.attempts import Outcome

PENDING = 202


@dataclass(slots=True)
class Tally:
    """`out` gets a line for each order, once its fate is known. `pending`: of the accepted, those that were answered
    202 (accepted, and still to be decided).
    """

    out: TextIO | None = None
    offered: int = 0
    accepted: int = 0
    pending: int = 0
    timeouts: int = 0
    attempts: int = 0
    throttled: int = 0
    cancellations_offered: int = 0
    cancellations_accepted: int = 0
    cancellations_without_order: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, command: PlaceOrder, outcome: Outcome) -> None:
        with self._lock:
            self.offered += 1
            self.accepted += outcome.accepted
            self.pending += outcome.status == PENDING
            self._requests(outcome)
            if self.out is not None:
                self.out.write(json.dumps(_line(command, outcome), separators=(",", ":")) + "\n")
                self.out.flush()

    def cancellation(self, _command: CancelOrder, outcome: Outcome | None) -> None:
        """None: its order was not accepted, so there was nothing to cancel."""
        with self._lock:
            if outcome is None:
                self.cancellations_without_order += 1
                return
            self.cancellations_offered += 1
            self.cancellations_accepted += outcome.accepted
            self._requests(outcome)

    def to_json(self) -> dict[str, Any]:
        with self._lock:
            return {
                "offered": self.offered,
                "accepted": self.accepted,
                "accepted_pending": self.pending,
                "not_accepted": self.offered - self.accepted,
                "timeouts": self.timeouts,
                "attempts": self.attempts,
                "throttled": self.throttled,
                "cancellations_offered": self.cancellations_offered,
                "cancellations_accepted": self.cancellations_accepted,
                "cancellations_without_order": self.cancellations_without_order,
                "not_accepted_by_status": dict(sorted(self.refused.items())),
            }

    def _requests(self, outcome: Outcome) -> None:
        self.timeouts += outcome.timeouts
        self.attempts += outcome.attempts
        self.throttled += outcome.refused
        if not outcome.accepted:
            self.refused[str(outcome.status or "no answer")] += 1


def _line(command: PlaceOrder, outcome: Outcome) -> dict[str, Any]:
    return {
        "client_ref": command.client_ref,
        "order_ref": outcome.body.get("order_ref") if outcome.accepted else None,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "timeouts": outcome.timeouts,
    }
