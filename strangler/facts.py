"""Facts and verdicts: the judge's own words, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from outbox.connection import PsycopgConnection
from strangler.ownership import Ownership
from strangler.step.intents import Json, Write

KIND, TARGET = "$kind", "$target"  # an intent's own words, beside its body's fields
UNOBSERVED = "unobserved"  # the kind that a seam writes where it could not tell what the step did


class Verdict(StrEnum):
    """What is true of one effect of one subject, below the frontier."""

    MATCH = "match"  # two accounts agree that know nothing of each other
    ACTED = "acted"  # one account alone says that it was done: nothing contradicts it, nobody else confirms it
    FAILED = "failed"  # the call has failed or was refused, and the account of who made it says so
    LATE = "late"  # not yet due: on its way, or the consumer has not passed it
    SHED = "shed"  # due, and given up by a clause of the step's policy; a replay makes up for it
    MISSING = "missing"  # due, and not there
    EXTRA = "extra"  # there, and nobody wanted it; or both sides acted
    MISMATCH = "mismatch"  # there, with other fields
    DUPLICATE = "duplicate"  # there more often than wanted
    ORPHAN = "orphan"  # there, for a subject, or a change of it, that does not exist
    UNKNOWN = "unknown"  # the frontier was not reached: nothing can be said


FINAL = frozenset(Verdict) - {Verdict.LATE, Verdict.SHED, Verdict.UNKNOWN}
FINDINGS = frozenset({Verdict.ORPHAN, Verdict.EXTRA, Verdict.DUPLICATE, Verdict.MISMATCH, Verdict.MISSING})


@dataclass(frozen=True, slots=True)
class SubjectFacts:
    """A subject as the legacy database has it: its version, owners and the Kafka key of its events.

    `version`: how often it was told of, so the newest that the judge may see. `rejected_by`: the step that refused it,
    after it had been stored. `undecided`: it is stored, and legacy has still to run the rest of its chain: what is
    absent, and who wants what is there, is known when that has committed.
    """

    subject_ref: str
    version: int
    ownership: Ownership
    key: str
    rejected_by: str = ""
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class Fact:
    """One effect of one subject. `number` is 0 where the source does not know it.

    `version`: of the event that caused it. `refused`: the vendor was asked and said no; nothing was done.
    `pending`: of an actual one, written but not done, such as a planned mail; of an expected one, it may be there and
    is not due, because the subject is not decided yet.
    Of expected ones only: `open_fields` are unknown to the oracle, and compared where the vendor's ledger tells them.
    `if_there` names an effect by its identity: this one is due if, and only if, that one was done. A refund is due if
    there is a charge; a charge that must be refunded is wanted if it is there. A `refused` one with `if_there`: either
    the vendor refused it, or it was done and is due.
    `answer`: of a ledger's fact, what the vendor answered.
    `never_accepted`: of a refused one, no vendor said no; it was never done, and is not tried any more.
    `unsettled`: of a pending one, it may be done, and only an operator can find out.
    """

    subject_ref: str
    number: int
    version: int
    fields: Mapping[str, Json]
    pending: bool = False
    refused: bool = False
    open_fields: tuple[str, ...] = ()
    if_there: str = ""
    answer: Mapping[str, Json] = field(default_factory=dict)
    never_accepted: bool = False
    unsettled: bool = False


FactReader = Callable[[PsycopgConnection], Iterable[Fact]]
LedgerReader = Callable[[Mapping[str, str]], Iterable[Fact]]  # from the environment (addresses) to what was done
Kept = Callable[[str, Write], Write | None]  # of a subject's write; None: nothing


@dataclass(frozen=True, slots=True)
class DeclaredEvidence:
    """What a service's declaration tells of its acts, so that they can be judged without a word of the plan.

    `on`: the event types that it acts on. `stateful`: it keeps one row per subject. `rows` reads them, and `kept` says
    what of a write they can show again. `ledger` reads what `vendors` were asked, by their names. `blind`: what nobody
    reads, in words. `concludes`: a vendor's answer may lead to more calls than the event did. `all_tell`: no vendor is
    without a ledger.
    """

    on: frozenset[str]
    stateful: bool = False
    rows: FactReader | None = None
    kept: Kept | None = None
    ledger: LedgerReader | None = None
    vendors: frozenset[str] = frozenset()
    blind: tuple[str, ...] = ()
    concludes: bool = True
    all_tell: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason: `fields` names what differs, `expected` and `actual` are shown as evidence."""

    step: str
    subject_ref: str
    number: int
    owner: str
    verdict: Verdict
    reason: str
    fields: tuple[str, ...] = ()
    evidence: Mapping[str, Json] = field(default_factory=dict)
