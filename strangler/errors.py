"""Errors of the strangler library.

StranglerError
├── BadInput             usage: a value that cannot be worked with (exit 2)
│   ├── BadPlan          the plan contradicts itself
│   └── BadOwnership     an ownership header that cannot be read
├── RefusedError         an expected "no" at a command's edge: reason and next step (exit 1)
└── DependencyDown       PostgreSQL, Kafka or an upstream does not answer (exit 3)
"""

from dataclasses import dataclass


class StranglerError(Exception):
    """What happened, the value seen, and the next step."""

    exit_code = 1


class BadInput(StranglerError):
    """A value that cannot be worked with."""

    exit_code = 2


class BadPlan(BadInput):
    """The plan contradicts itself."""


class BadOwnership(BadInput):
    """An ownership header that cannot be read."""


class RefusedError(StranglerError):
    """An expected "no" that has reached a command's edge."""


class DependencyDown(StranglerError):
    """PostgreSQL, Kafka or an upstream does not answer."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Refused:
    """An expected "no", as data: why, and what to do next."""

    reason: str
    next_step: str
