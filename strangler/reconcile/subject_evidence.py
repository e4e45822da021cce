"""A case: all that is known of one subject and step when it is judged. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from strangler.facts import Fact, Kept, SubjectFacts
from strangler.ownership import Owner
from strangler.reconcile.pairing import Identity
from strangler.step.intents import first_number


class Visibility(StrEnum):
    """Whether the new side must have seen what the legacy snapshot has."""

    PASSED = "passed"
    BEHIND = "behind"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Acted:
    """What one side wrote down for one event: the seam for legacy, the record of intents for the shadow."""

    version: int
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A version of a subject as its own transaction told it. `alive`: the process that made it may still act; None:
    nobody knows which it was. `pinned`: the subject's owners were; before that all of it was legacy's.
    """

    version: int
    type: str
    alive: bool | None = False
    pinned: bool = True


class CallState(StrEnum):
    """What a seam's record says of a call of legacy's that is not done."""

    BEGUN = "begun"
    FAILED = "failed"
    NONE = "none"  # the unit of work has ended without one: nothing was due


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call behind a seam without a record of its end, or with none of success. `call` counts from 1. `alive`: the
    process that made it, which may be another than the change's; None: the record does not say.
    """

    version: int
    call: int
    state: CallState
    alive: bool | None = None

    @property
    def number(self) -> int:
        """As in its vendor's key."""
        return first_number(self.version) + self.call - 1


@dataclass(frozen=True, slots=True)
class Rules:
    """How a step is judged: the plan's check and its service's declaration, without their readers.

    `witnessed`: the plan says what is expected. `due`: the event types that ask the step for something; None: nobody
    knows. `vendors`: those whose ledger is read; None: all. `kept`: what the rows that are read can show of a write,
    so that claims can be held against them; None: nothing. `concludes`: calls may follow a vendor's answer. `all_tell`:
    no vendor is without a ledger.
    """

    step: str
    identity: Identity
    stateful: bool
    only_asks: bool = False
    witnessed: bool = True
    due: frozenset[str] | None = None
    vendors: frozenset[str] | None = None
    kept: Kept | None = None
    concludes: bool = True
    all_tell: bool = True


@dataclass(frozen=True, slots=True)
class LegacySide:
    """One snapshot of the legacy database. `handed_back`: the state of the subject's hand-back, "" without one."""

    order: SubjectFacts | None = None
    oracle: Sequence[Fact] = ()
    seam: Sequence[Acted] = ()
    handed_back: str = ""
    in_flight: bool = False  # the facade waits for an answer about this order, or for a repeat
    open_calls: Sequence[OpenCall] = ()
    changes: Sequence[RecordedChange] = ()


@dataclass(frozen=True, slots=True)
class NewSide:
    """One snapshot of the context. `claims`: intent number -> kind. `parked`: an event of its key is in quarantine.

    `shed`: the number of a claim by which nobody acted -> the clause that allowed it. `wanted`: the number of a claim
    -> the digests of its intents, "" in place of one that cannot be held against anything any more. `emitted`: digests
    of the events that the step has told of the subject.
    """

    claims: Mapping[int, str] = field(default_factory=dict)
    recorded: Sequence[Acted] = ()
    actual: Sequence[Fact] = ()
    parked: bool = False
    shed: Mapping[int, str] = field(default_factory=dict)
    wanted: Mapping[int, Sequence[str]] = field(default_factory=dict)
    emitted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SubjectEvidence:
    """`ledger` is None where the step has no vendor. `why_unknown` says why nothing can be said, "" if it can.

    `settled`: legacy was read after everything that could be surplus, with no older transaction left open.
    """

    rules: Rules
    subject_ref: str
    legacy: LegacySide
    new: NewSide
    state: Visibility
    ledger: Sequence[Fact] | None = None
    why_unknown: str = ""
    settled: bool = False

    @property
    def owner(self) -> Owner | None:
        """None where there is no such subject."""
        return None if self.legacy.order is None else self.legacy.order.ownership.of(self.rules.step)

    @property
    def version(self) -> int:
        return 0 if self.legacy.order is None else self.legacy.order.version

    @property
    def due(self) -> Sequence[RecordedChange]:
        """The changes that ask the step for something."""
        types = self.rules.due
        return [] if types is None else [change for change in self.legacy.changes if change.type in types]

    @property
    def undecided(self) -> bool:
        return self.legacy.order is not None and self.legacy.order.undecided

    @property
    def tombstoned(self) -> bool:
        return "tombstone" in self.new.claims.values()

    @property
    def running_hand_back(self) -> bool:
        """Taken from one side, and the other has not acted yet."""
        return self.legacy.handed_back == "tombstoned" or (
            self.tombstoned and self.legacy.handed_back not in ("done", "too_old")
        )
