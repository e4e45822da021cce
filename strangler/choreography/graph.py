"""The choreography of a subject, as the plan declares it: events, who reacts, how each path ends. Plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from outbox.connection import PsycopgConnection


class Final(StrEnum):
    """How a subject may end. `quarantined`: a step cannot handle its event; a person is asked, and nothing is lost."""

    DONE = "done"
    COMPENSATED = "compensated"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Event:
    """An event type. `by`: the steps that append it (either side of a step is that step), or the client's name.

    `final`: a subject that has it is at its end, once its reactions are through. `acts`: what has happened in the world
    with it, in words; `undone_by` is then the event that says it was taken back.
    """

    type: str
    topic: str
    by: tuple[str, ...]
    final: Final | None = None
    acts: str = ""
    undone_by: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a step does on an event: within `within_s` exactly one of `leads_to` follows.

    Without `leads_to` the step only acts, and reconciliation judges it. `only_after`: it has something to do only for
    subjects that have all of these events. `parks_in`: the quarantine that keeps what the step cannot handle.
    """

    on: str
    step: str
    leads_to: tuple[str, ...]
    within_s: float
    parks_in: str
    only_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """What must never be: a subject that has `after` and gets none of `either`. `broken` says it in words."""

    broken: str
    after: str
    either: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderState:
    """A subject as the application keeps it. `final` None: it is under way."""

    subject_ref: str
    final: Final | None


@dataclass(frozen=True, slots=True)
class Seen:
    """The events that a subject has, each type when it was appended first."""

    subject_ref: str
    events: Mapping[str, datetime]


@dataclass(frozen=True, slots=True)
class Remark:
    """Of a subject and step: an event that is parked there, or a sentence that explains what it waits for."""

    subject_ref: str
    step: str
    text: str


@dataclass(frozen=True, slots=True)
class Readers:
    """Where the data is. `orders` and `seen` speak of every subject; `parked` of open quarantine; `remarks` explain."""

    orders: Callable[[PsycopgConnection], Iterable[OrderState]]
    seen: Callable[[PsycopgConnection], Iterable[Seen]]
    parked: Callable[[PsycopgConnection], Iterable[Remark]]
    remarks: Callable[[PsycopgConnection, Sequence[str]], Iterable[Remark]]


@dataclass(frozen=True, slots=True)
class Choreography:
    """The whole graph. Every subject that begins with one of `starts` ends within `within_s`.

    `also_reads`: who reacts beside the plan's steps, and the topics they read.
    """

    starts: tuple[str, ...]
    events: tuple[Event, ...]
    reactions: tuple[Reaction, ...]
    within_s: float
    promises: tuple[Promise, ...] = ()
    also_reads: Mapping[str, tuple[str, ...]] | None = None
    readers: Readers | None = None

    def event(self, type_: str) -> Event | None:
        return next((event for event in self.events if event.type == type_), None)

    def reactions_on(self, type_: str) -> Sequence[Reaction]:
        """Those after which an event follows."""
        return [reaction for reaction in self.reactions if reaction.on == type_ and reaction.leads_to]
