"""What a consumer's user writes: a handler from a batch of events to one disposition each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import psycopg

from outbox.connection import PsycopgConnection
from outbox.errors import ConfigurationError
from outbox.event import NotJson, ReceivedEvent
from outbox.terms import check_terms


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


# The others say what the runtime does with an event: a handler that says "parked" parks nothing.
OF_A_HANDLER = frozenset({Disposition.APPLIED, Disposition.RECORDED, Disposition.NOT_OWNER, Disposition.DUPLICATE})


def checked(answers: object, events: int) -> Sequence[Disposition]:
    """The answers, one disposition for each event; `TypeError` or `ValueError` otherwise, before anything commits."""
    if not isinstance(answers, Sequence) or isinstance(answers, str | bytes):
        raise TypeError(f"the handler answered with {_kind(answers)}; give a list of Disposition, or None for all")
    found = list(answers)
    if strange := sorted({_kind(one) for one in found if not isinstance(one, Disposition)}):
        raise TypeError(f"the handler answered with {', '.join(strange)}; give a Disposition for each event")
    if len(found) != events:
        raise ValueError(f"the handler answered {len(found)} dispositions for {events} events; give one for each")
    return found


class Handler(Protocol):
    """Acts on a batch inside the runtime's transaction and never commits.

    All events of a batch come from one lane, in order. The effects, the claims and the position commit together
    or not at all. After any exception but `Poison` the batch is rolled back and tried again; an event that raises what
    only a mistake raises (`KeyError`, `TypeError`, `ValueError`, ...) when it is alone, again and again, is parked.
    It answers one disposition for each event, in their order, or None: all were applied.
    """

    def __call__(
        self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], /
    ) -> Sequence[Disposition] | None: ...


class Answering(Protocol):
    """A handler that answers for each event, as all that stands around one does."""

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent], /) -> Sequence[Disposition]: ...


def answering(handler: Handler) -> Answering:
    """The handler, with an answer for each event. An event whose payload is no JSON, and should be, is poison.

    `ConfigurationError` for what cannot be called, or is only awaited.
    """
    if not callable(handler) or _awaited(handler):
        raise ConfigurationError(f"handler is {_kind(handler)}; give a plain function (connection, events)")

    def act(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        try:
            answers = _called(handler, connection, events)
        except Poison as poison:
            if not 0 <= poison.index < len(events):
                raise IndexError(
                    "the handler condemned an event of another batch; give its place in this one"
                ) from poison
            raise
        except NotJson as error:
            places = [place for place, one in enumerate(events) if one.event is error.event]
            if not places:
                raise
            raise Poison(places[0], str(error)) from error
        if answers is None:
            return [Disposition.APPLIED] * len(events)
        found = checked(answers, len(events))
        if others := set(found) - OF_A_HANDLER:
            raise ValueError(f"the handler answered {', '.join(sorted(others))}, which only the consumer says")
        return found

    return act


def _called(act: Callable[..., object], *given: object) -> object:
    """A transaction takes `Rollback` for its own end and goes on without a word."""
    try:
        return act(*given)
    except psycopg.Rollback as error:
        raise psycopg.ProgrammingError(
            "psycopg.Rollback is not the handler's: what it writes commits with the consumer's position; raise another"
        ) from error


def _awaited(handler: object) -> bool:
    call = inspect.getattr_static(type(handler), "__call__", None)
    return any(inspect.iscoroutinefunction(one) or inspect.isasyncgenfunction(one) for one in (handler, call))


def _kind(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


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
        check_terms(self, above_zero=("hands",))
        if _awaited(self.work):
            raise ConfigurationError(f"InParallel.work is {_kind(self.work)}; give a plain function of one event")

    def done(self, one: ReceivedEvent) -> Disposition:
        """Do the work; what it answers is checked as a handler's answer is."""
        (found,) = checked([_called(self.work, one)], 1)
        if found not in OF_A_HANDLER:
            raise ValueError(f"the work answered {found}, which only the consumer says")
        return found

    def in_turn(
        self,
        connection: PsycopgConnection,  # noqa: ARG002 - a handler's shape
        events: Sequence[ReceivedEvent],
    ) -> Sequence[Disposition]:
        """The same as a handler that does one after another, where few events are at stake."""
        found: list[Disposition] = []
        for index, one in enumerate(events):
            try:
                found.append(self.done(one))
            except Poison as poison:
                raise Poison(index, poison.reason) from poison
        return found
