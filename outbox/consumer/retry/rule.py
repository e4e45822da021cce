"""What an error means for a retry: it passes, it never will, or it is a plea for patience."""

from __future__ import annotations

import random
from enum import StrEnum

import psycopg

from outbox.errors import OutboxError
from outbox.policy import Retry


class Trouble(StrEnum):
    """A permanent error belongs to one event, which is parked at once; a bug's when it fails alone again and again.

    The others are tried again without end.
    """

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    BUG = "bug"
    OVERLOAD = "overload"


class Clause(StrEnum):
    """The rule by which a retry was put off or an event held back, by its term in a flow's policy."""

    ATTEMPTS = "retry.attempts"
    BUDGET = "retry.budget_ratio"
    FLOOD_SHARE = "quarantine.ratio"
    FLOOD_ROW = "quarantine.consecutive"


class Overloaded(OutboxError):
    """Raised by a handler whose downstream asks for patience (429, 503). `retry_after_s` as it said, or None."""

    def __init__(self, said: str, retry_after_s: float | None = None) -> None:
        super().__init__(said)
        self.retry_after_s = retry_after_s


# Of the data and not of the moment: the same row fails the same way tomorrow. A unique violation may be a race.
_PERMANENT = (
    psycopg.DataError,
    psycopg.errors.CheckViolation,
    psycopg.errors.NotNullViolation,
    psycopg.errors.ForeignKeyViolation,
    UnicodeError,
)

# What passes by itself raises none of these; a vendor's strange answer, or a race of rows, may.
_BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
    psycopg.errors.ExclusionViolation,
    psycopg.errors.InFailedSqlTransaction,  # an error of the database that the handler kept to itself
    psycopg.errors.UniqueViolation,
)

_TOO_MUCH = "54"  # PostgreSQL's class: longer than an index takes, more than a statement does
_OUT_OF_RESOURCES = "53"  # PostgreSQL's class: too many connections, out of memory


def classify(error: Exception) -> Trouble:
    """By type; what is not known passes.

    >>> classify(ConnectionError()), classify(Overloaded("503")), classify(psycopg.DataError())
    (<Trouble.TRANSIENT: 'transient'>, <Trouble.OVERLOAD: 'overload'>, <Trouble.PERMANENT: 'permanent'>)
    """
    state = getattr(error, "sqlstate", None) or ""
    if isinstance(error, Overloaded) or state.startswith(_OUT_OF_RESOURCES):
        return Trouble.OVERLOAD
    if isinstance(error, _PERMANENT) or state.startswith(_TOO_MUCH):
        return Trouble.PERMANENT
    return Trouble.BUG if isinstance(error, _BUGS) else Trouble.TRANSIENT


def is_of_the_event(error: Exception) -> bool:
    """Whether a person must mend the event or its handler. For a replay, which a person has asked for, no less."""
    return classify(error) in {Trouble.PERMANENT, Trouble.BUG}


def to_be_parked(error: Exception, retry: Retry, failed: int, *, alone: bool) -> bool:
    """Whether an event that failed so often in a row, also after it was put off, is parked: it would fail again."""
    return alone and failed > retry.attempts and is_of_the_event(error)


def puts_off(retry: Retry, failed: int) -> bool:
    """After so many failed attempts in a row: is the next one a delayed one?"""
    return failed >= retry.attempts


def delay_s(retry: Retry, failed: int, rng: random.Random, *, defer_s: float = 1.0) -> float:
    """Before the next attempt: full jitter, anything up to base x 2^failed, capped; from `defer_s` on if put off.

    What is put off is tried again without end, later each time: nothing is lost, its key keeps its order, and other
    lanes go on.

    >>> 0 <= delay_s(Retry(), 100, random.Random(1)) <= 30
    True
    """
    if not puts_off(retry, failed):
        return rng.uniform(0, min(retry.cap_s, retry.base_s * 2.0 ** min(failed - 1, 32)))
    longest = max(defer_s, min(retry.cap_s, defer_s * 2.0 ** min(failed - retry.attempts, 32)))
    return min(retry.cap_s, rng.uniform(defer_s / 2, longest))
