"""What the runs and replays of a runtime have in common."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Protocol

from outbox.consumer.handler import Answering
from outbox.consumer.partitions.run import Run
from outbox.consumer.retry.flood import FloodGuard
from outbox.consumer.triage import Decode, Triage, triage
from outbox.fault_points import FaultPoints


class AtOnce(Protocol):
    """Whether what failed behind others is tried again before they are committed."""

    def at_once(self, part: Run, error: Exception, took_s: float) -> bool:
        """True: one retry is reserved for it."""

    def passed(self) -> None:
        """The retry went well."""


@dataclass(frozen=True, slots=True)
class Application:
    """What every run of a runtime shares. `sources` are the installation's, None where they were not told."""

    group: str
    handler: Answering
    decode: Decode
    fault_points: FaultPoints
    flood: FloodGuard
    retries: AtOnce
    sources: Set[str] | None = None

    def sort(self, run: Run, blocked: Set[bytes], condemned: Mapping[int, str]) -> Triage:
        """Which records of the run reach the handler."""
        return triage(
            run.records,
            self._decode_once(run) if run.decoded else self.decode,
            last=run.last,
            blocked=blocked,
            condemned=condemned,
            sources=self.sources,
            repeats=run.repeats,
            ask_below=run.ask_below,
            fresh=run.fresh,
        )

    def _decode_once(self, run: Run) -> Decode:
        """A third of what failures cost was to decode again what stood behind them."""
        return lambda record: run.decoded.get(record.offset) or self.decode(record)
