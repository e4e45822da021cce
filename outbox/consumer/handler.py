"""What a consumer's user writes: a handler from a batch of events to one disposition each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from outbox.connection import PsycopgConnection
from outbox.errors import ConfigurationError
from outbox.event import NotJson, ReceivedEvent


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
    It answers one disposition for each event, in their order, or None: all were applied.
    """

    def __call__(
        self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], /
    ) -> Sequence[Disposition] | None: ...


class Answering(Protocol):
    """A handler that answers for each event, as all that stands around one does."""

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], /) -> Sequence[Disposition]: ...


def answering(handler: Handler) -> Answering:
    """The handler, with an answer for each event. An event whose payload is no JSON, and should be, is poison."""

    def act(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        try:
            answers = handler(connection, events)
        except NotJson as error:
            places = [place for place, one in enumerate(events) if one.event is error.event]
            if not places:
                raise
            raise Poison(places[0], str(error)) from error
        return [Disposition.APPLIED] * len(events) if answers is None else answers

    return act


@dataclass(frozen=True, slots=True)
class InParallel:
    """Instead of a handler, for blocking work without the context's database: `work` on so many threads at once.

    A key's events are worked on one after another, in order. The position commits when the work is done, so an event
    is worked on again after a crash or a lost assignment: `work` must bear a repeat. It raises as a handler does;
    the index of its `Poison` says nothing.
    """

    work: Callable[[ReceivedEvent], Disposition]
    hands: int = 100

    def __post_init__(self) -> None:
        if self.hands < 1:
            raise ConfigurationError(f"InParallel.hands is {self.hands}; give 1 or more")

    def in_turn(
        self,
        connection: PsycopgConnection,  # noqa: ARG002 - a handler's shape
        events: Sequence[ReceivedEvent],
    ) -> Sequence[Disposition]:
        """The same as a handler that does one after another, where few events are at stake."""
        return [self.work(one) for one in events]
