"""A case: all that is known of one subject and step when it is judged. Plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from strangler.facts import Fact, SubjectFacts
from strangler.ownership import Owner
from strangler.reconcile.pairing import Identity


class State(StrEnum):
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
class Rules:
    """How a step is judged: the plan's check without its readers."""

    step: str
    identity: Identity
    stateful: bool
    only_asks: bool = False


@dataclass(frozen=True, slots=True)
class LegacySide:
    """One snapshot of the legacy database. `handed_back`: the state of the subject's hand-back, "" without one."""

    order: SubjectFacts | None = None
    oracle: Sequence[Fact] = ()
    seam: Sequence[Acted] = ()
    handed_back: str = ""
    in_flight: bool = False  # the facade still waits for an answer about this order


@dataclass(frozen=True, slots=True)
class NewSide:
    """One snapshot of the context. `claims`: intent number -> kind. `parked`: an event of its key is in quarantine.

    `shed`: the number of a claim by which nobody acted -> the clause that allowed it.
    """

    claims: Mapping[int, str] = field(default_factory=dict)
    recorded: Sequence[Acted] = ()
    actual: Sequence[Fact] = ()
    parked: bool = False
    shed: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubjectEvidence:
    """`ledger` is None where the step has no vendor. `why_unknown` says why nothing can be said, "" if it can.

    `settled`: legacy was read after everything that could be surplus, with no older transaction left open.
    """

    rules: Rules
    subject_ref: str
    legacy: LegacySide
    new: NewSide
    state: State
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
