"""What the runs and replays of a runtime have in common."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from outbox.consumer.handler import Answering
from outbox.consumer.partitions.run import Run
from outbox.consumer.retry.flood import FloodGuard
from outbox.consumer.triage import Decode, Triage, triage
from outbox.fault_points import FaultPoints


@dataclass(frozen=True, slots=True)
class Application:
    """What every run of a runtime shares. `sources` are the installation's, None where they were not told."""

    group: str
    handler: Answering
    decode: Decode
    fault_points: FaultPoints
    flood: FloodGuard
    sources: Set[str] | None = None

    def sort(self, run: Run, blocked: Set[bytes], condemned: Mapping[int, str]) -> Triage:
        """Which records of the run reach the handler."""
        return triage(
            run.records,
            self.decode,
            last=run.last,
            blocked=blocked,
            condemned=condemned,
            sources=self.sources,
            repeats=run.repeats,
            ask_below=run.ask_below,
            fresh=run.fresh,
        )
