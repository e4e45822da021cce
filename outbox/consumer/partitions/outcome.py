"""What comes back to the board when a run has been committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from outbox.consumer.handler import Disposition
from outbox.consumer.partitions.run import Run
from outbox.consumer.triage import ParkingCause
from outbox.event import SourcePosition


@dataclass(frozen=True, slots=True)
class Failed:
    """Events that the handler was given together, and why it failed. What stands before them in the run is done."""

    part: Run
    error: Exception


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a committed run did, and what its lane must remember. `run` is the run or the cut that was committed.

    `failed` is what stands right behind it. `calls` of the handler went well, `at_once` of them as a second attempt.
    """

    run: Run
    last: SourcePosition | None
    dispositions: Mapping[Disposition, int]
    parked_keys: frozenset[bytes]
    freed_keys: frozenset[bytes]
    parked: Mapping[ParkingCause, int] = field(default_factory=dict)
    failed: Failed | None = None
    calls: int = 1
    at_once: int = 0

    @property
    def failures(self) -> int:
        """Of parts, whatever became of them."""
        return self.at_once + (self.failed is not None)
