"""What a consumer's user writes: a handler from a batch of events to one disposition each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from outbox.connection import PsycopgConnection
from outbox.event import ReceivedEvent


class Disposition(StrEnum):
    """What became of an event in a consumer group. Every event below the frontier has exactly one."""

    APPLIED = "applied"
    RECORDED = "recorded"
    NOT_OWNER = "not_owner"
    PARKED = "parked"
    DEFERRED = "deferred"
    SHED = "shed"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"


class Poison(Exception):
    """Raised by a handler for an event that can never succeed; it is parked with its successors of the same key.

    `index` is the event's place in the batch; the whole batch is rolled back and tried again without it.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index, self.reason = index, reason


class Handler(Protocol):
    """Acts on a batch inside the runtime's transaction and never commits.

    All events of a batch come from one lane, in order. The effects, the claims and the position commit together
    or not at all. Any exception but `Poison` is taken as transient: the batch is rolled back and tried again.
    """

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]: ...
