"""One seed of the kill campaign of seams: which application, at which stage, killed where, its customers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strangler.stages import Stage

CUSTOMERS = 3
RAMP_BP = 5_000
ASKED = "vendor.asked"  # not a point of the code: the vendor has it, and its answer is on the way
LEGACY_ACTS = (Stage.LEGACY, Stage.SHADOW, Stage.RAMP)
NEW_ACTS = (Stage.RAMP, Stage.LIVE)
ALL = (*LEGACY_ACTS, Stage.LIVE)
# The kind of application, where it is killed, and the stages at which it comes there.
POINTS: Sequence[tuple[str, str, Sequence[Stage]]] = (
    ("desk", "seam.told", ALL),
    ("shop", "seam.told", ALL),
    ("desk", "seam.committed", ALL),
    ("shop", "seam.begun", LEGACY_ACTS),
    ("desk", "seam.begun", LEGACY_ACTS),
    ("shop", ASKED, (Stage.LEGACY, Stage.SHADOW)),
    ("desk", ASKED, (Stage.LEGACY, Stage.SHADOW)),
    ("shop", "seam.called", LEGACY_ACTS),
    ("desk", "seam.called", LEGACY_ACTS),
    ("shop", "seam.recorded", LEGACY_ACTS),
    ("desk", "seam.recorded", LEGACY_ACTS),
    ("shop", "seam.committed", ALL),
    ("shop", "continuation.pending_committed", NEW_ACTS),
    ("shop", "continuation.claimed", NEW_ACTS),
    ("shop", "continuation.rest_run", NEW_ACTS),
    ("shop", "continuation.committed", NEW_ACTS),
)
TOO_MUCH = 500_000  # the bank declines it


@dataclass(frozen=True, slots=True)
class Request:
    """`{id}` in the path is the application's own, from the first answer. `key` is the same when it is sent again."""

    key: str
    method: str
    path: str
    body: Any


@dataclass(frozen=True, slots=True)
class Case:
    """`arrival`: at which arrival at the point the process stops. `retries`: customers send again what was lost."""

    seed: int
    kind: str
    point: str
    stage: Stage
    arrival: int
    retries: bool
    scripts: tuple[tuple[Request, ...], ...]

    @property
    def mark(self) -> str:
        """In the address of every customer of this seed."""
        return mark_of(self.seed)


def mark_of(seed: int) -> str:
    return f"seed-{seed}-"


def case_of(seed: int) -> Case:
    """The same for the same seed. Points take turns, so that a run of as many seeds has tried them all."""
    rng = random.Random(f"seams:{seed}")
    kind, point, stages = POINTS[seed % len(POINTS)]
    make = _bookings if kind == "desk" else _orders
    return Case(
        seed=seed,
        kind=kind,
        point=point,
        stage=rng.choice(stages),
        arrival=rng.choice((1, 1, 2, 3)),
        retries=rng.random() < 0.6,
        scripts=tuple(make(f"{mark_of(seed)}{number}", rng) for number in range(CUSTOMERS)),
    )


def _bookings(who: str, rng: random.Random) -> tuple[Request, ...]:
    day = {"day": "2011-06-02"}
    made = Request(f"{who}-0", "POST", "/checkout", {"email": _address(who), "desk": who, "day": "2011-06-01"})
    moved = Request(f"{who}-1", "PATCH", "/bookings/{id}", day)
    cancelled = Request(f"{who}-2", "POST", "/bookings/{id}/cancel", {})
    return rng.choice(((made, moved), (made, cancelled), (made, moved, cancelled)))


def _orders(who: str, rng: random.Random) -> tuple[Request, ...]:
    """The second customer's card may be declined."""
    declined = who.endswith("-1") and rng.random() < 0.3
    cents = [TOO_MUCH if declined and number == 0 else rng.randrange(100, 9_000) for number in range(2)]
    return tuple(
        Request(f"{who}-{number}", "POST", "/orders", {"email": _address(who), "cents": one})
        for number, one in enumerate(cents)
    )


def _address(who: str) -> str:
    return f"{who}@example.invalid"
