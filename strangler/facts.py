"""Facts and verdicts: the judge's own words, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from strangler.ownership import Ownership
from strangler.step.intents import Json


class Verdict(StrEnum):
    """What is true of one effect of one order, below the frontier."""

    MATCH = "match"
    LATE = "late"  # not yet due: on its way, or the consumer has not passed it
    MISSING = "missing"  # due, and not there
    EXTRA = "extra"  # there, and nobody wanted it; or both sides acted
    MISMATCH = "mismatch"  # there, with other fields
    DUPLICATE = "duplicate"  # there more often than wanted
    ORPHAN = "orphan"  # there, for an order, or a change of it, that does not exist
    UNKNOWN = "unknown"  # the frontier was not reached: nothing can be said


FINAL = frozenset(Verdict) - {Verdict.LATE, Verdict.UNKNOWN}


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """An order as the legacy database has it: its version, owners and the Kafka key of its events."""

    order_ref: str
    version: int
    ownership: Ownership
    key: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One effect of one order. `number` is 0 where the source does not know it.

    `pending`: written but not done, such as a planned mail. `version`: of the event that caused it.
    """

    order_ref: str
    number: int
    version: int
    fields: Mapping[str, Json]
    pending: bool = False


LedgerReader = Callable[[Mapping[str, str]], Iterable[Fact]]  # from the environment (addresses) to what was done


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason: `fields` names what differs, `expected` and `actual` are shown as evidence."""

    step: str
    order_ref: str
    number: int
    owner: str
    verdict: Verdict
    reason: str
    fields: tuple[str, ...] = ()
    evidence: Mapping[str, Json] = field(default_factory=dict)
