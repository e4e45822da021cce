"""What became of reads: every outcome that there is, and the sums that must come out even. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MOST_PLACES = 100  # named for a read; more of them count as one
OTHER_PLACES = "(others)"


class ReadOutcome(StrEnum):
    """Of a read. ELIGIBLE = SAME + DIFFERENT + DROPPED + FAILED + what is still held."""

    ELIGIBLE = "eligible"  # answered by legacy, and to be compared
    SAME = "same"
    DIFFERENT = "different"
    DROPPED = "dropped"  # nobody was asked
    FAILED = "failed"  # no two answers that could be compared
    ANSWERED = "answered"  # by the other application, to a client
    FELL_BACK = "fell_back"  # it failed, and legacy answered the client
    REFUSED = "refused"  # it failed, and the client was told so, or its answer broke off
    NOT_STICKY = "not_sticky"  # legacy's, because the request does not say whose it is


class Why(StrEnum):
    """Why a read was dropped or has failed."""

    QUEUE_FULL = "queue_full"
    TOO_OLD = "too_old"  # it waited too long: legacy may say something else by now
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"  # with its head, or taken apart
    CONDITIONAL = "conditional"  # it asks for a part, or for what has changed
    CUT_OFF = "cut_off"  # the client left, or legacy's answer broke off
    CODED = "coded"  # a content coding other than gzip
    STOPPED = "stopped"
    LEGACY = "legacy"  # it gave no answer, or 5xx: nothing to compare with
    NOT_SENT = "not_sent"
    BROKE = "broke"
    TOO_SLOW = "too_slow"
    STATUS = "status"  # 5xx
    UNJUDGED = "unjudged"  # legacy's second answer was none or of another kind, or all of the body is noise
    ERROR = "error"  # a mistake of the facade's


DIFFERS_AT, NOISE_AT = "differs_at", "noise_at"  # beside the outcomes: a place each
CANDIDATE_FAILED = frozenset({Why.NOT_SENT, Why.BROKE, Why.TOO_SLOW, Why.STATUS})


@dataclass(frozen=True, slots=True)
class Counted:
    """So many `reads` that were of `epoch`, the one that the read's last move began. `detail`: a reason, or a place."""

    read: str
    epoch: int
    outcome: str
    detail: str
    reads: int


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """Of one read since its last move, which began `epoch` (0: it has never moved)."""

    read: str
    epoch: int
    eligible: int = 0
    same: int = 0
    different: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    answered: int = 0
    fell_back: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    not_sticky: int = 0
    places: Mapping[str, int] = field(default_factory=dict)
    noise: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        return self.same + self.different

    @property
    def held(self) -> int:
        """On their way, or lost with a process that was killed. Below 0 only if such a process had told of less."""
        return self.eligible - self.compared - sum(self.dropped.values()) - sum(self.failed.values())

    @property
    def candidate_failed(self) -> int:
        """Reads that it was asked for, without an answer of use; of clients and of comparisons."""
        asked = (*self.failed.items(), *self.fell_back.items(), *self.refused.items())
        return sum(reads for why, reads in asked if why in CANDIDATE_FAILED)


def account_of(read: str, epoch: int, counted: Iterable[Counted]) -> ReadAccount:
    """The sums of what is counted of that read and epoch.

    >>> account_of("page", 3, [Counted("page", 3, "eligible", "", 2), Counted("page", 3, "same", "", 1)]).held
    1
    """
    by_outcome: dict[str, dict[str, int]] = {}
    for one in counted:
        if (one.read, one.epoch) == (read, epoch):
            details = by_outcome.setdefault(one.outcome, {})
            details[one.detail] = details.get(one.detail, 0) + one.reads

    def total(outcome: ReadOutcome) -> int:
        return sum(by_outcome.get(outcome, {}).values())

    return ReadAccount(
        read,
        epoch,
        eligible=total(ReadOutcome.ELIGIBLE),
        same=total(ReadOutcome.SAME),
        different=total(ReadOutcome.DIFFERENT),
        dropped=by_outcome.get(ReadOutcome.DROPPED, {}),
        failed=by_outcome.get(ReadOutcome.FAILED, {}),
        answered=total(ReadOutcome.ANSWERED),
        fell_back=by_outcome.get(ReadOutcome.FELL_BACK, {}),
        refused=by_outcome.get(ReadOutcome.REFUSED, {}),
        not_sticky=total(ReadOutcome.NOT_STICKY),
        places=by_outcome.get(DIFFERS_AT, {}),
        noise=tuple(sorted(by_outcome.get(NOISE_AT, {}))),
    )
