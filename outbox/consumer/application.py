"""What the runs and replays of a runtime have in common."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.checkpoints import Checkpoints
from outbox.consumer.handler import Handler
from outbox.consumer.retry.flood import FloodGuard
from outbox.consumer.triage import Decode


@dataclass(frozen=True, slots=True)
class Application:
    """What every run of a runtime shares."""

    group: str
    handler: Handler
    decode: Decode
    checkpoints: Checkpoints
    flood: FloodGuard
