"""What asks to be let in, and what it is told. Times are seconds of one clock that only goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Clause(StrEnum):
    """Why work is refused."""

    DEADLINE = "deadline"  # nobody would wait for its answer
    QUOTA = "quota"  # its tenant has sent more than its class lets one
    LAG = "lag"  # those who consume what its class makes are behind
    SHARE = "share"  # the slots go to the classes above, or its class waits for as long as it may
    TENANT = "tenant"  # its tenant waits with more than any other, and another's work needs the place
    WAITED = "waited"  # it has waited for as long as its class may


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """A request that wants a slot.

    `rank` is the place of its class, 0 the most important. After `deadline` its answer is of no use. `key` is what it
    will be known by when it comes back; without one it is promised nothing.
    """

    rank: int
    tenant: str
    deadline: float
    key: str = ""


class Grant(NamedTuple):
    """A slot, held from `at` until it is released. `allowed_s`: its class's deadline, then. `by_floor`: a class above
    may have waited meanwhile.
    """

    work: Work
    at: float
    allowed_s: float = 1.0
    by_floor: bool = False


class Refusal(NamedTuple):
    """`retry_after_s` is a promise to who returns then with the same key; None where nobody could keep one."""

    clause: Clause
    retry_after_s: int | None = None


class Settled(NamedTuple):
    """What became of work that had waited."""

    work: Work
    said: Grant | Refusal


class Waits(NamedTuple):
    """It waits for a slot; `instead_of` has lost its place to it."""

    instead_of: Settled | None = None


Admitted: TypeAlias = Grant | Refusal | Waits
