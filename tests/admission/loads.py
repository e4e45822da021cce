"""What the scenarios share: classes, clients, a provider that serves 20 at once in 20 ms on average.

So 1,000 a second; unloaded, its p99 is 56.5 ms.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from strangler.admission.found_limit import FoundLimit
from strangler.admission.slots import ClassSlots
from strangler.admission.work_class import WorkClass
from tests.admission.figures import Figures
from tests.admission.provider import Provider, Trouble
from tests.admission.rules import Everybody, FixedLimit, QueueTime, Rule
from tests.admission.world import Clients, Flow, World

CONTINUE, CHECKOUT, STATUS, BROWSE, BULK = range(5)
CLASSES = (
    WorkClass("continue", deadline_s=1.0),
    WorkClass("checkout", deadline_s=1.0),
    WorkClass("status", deadline_s=1.0),
    WorkClass("browse", deadline_s=1.0, floor=0.02),
    WorkClass("bulk", deadline_s=1.0, floor=0.01),
)
SHARES = (0.05, 0.10, 0.10, 0.45, 0.30)
PLACES, SATURATION, UNLOADED_P99_S = 20, 1_000.0, 0.0565
Found = Mapping[str, float]


def slots(seed: int, limit: int | FoundLimit = PLACES, classes: Sequence[WorkClass] = CLASSES) -> ClassSlots:
    return ClassSlots(classes, limit, random.Random(seed + 1_000_000).random, 0.0)


def rule_of(name: str, seed: int) -> Rule:
    match name:
        case "everybody":
            return Everybody()
        case "fixed":
            return FixedLimit(PLACES)
        case "queue_time":
            return QueueTime(random.Random(seed + 1_000_000).random, PLACES)
        case _:
            return slots(seed)


def mix(times: float, of: Sequence[float] = SHARES) -> list[Flow]:
    """Each class's share of so many times what the provider can serve."""
    return [Flow(rank, times * SATURATION * share) for rank, share in enumerate(of)]


def world(
    rule: Rule, flows: Sequence[Flow], seed: int, *, trouble: Trouble | None = None, places: int = PLACES, **more: float
) -> World:
    return World(
        rule,
        lambda one: Provider(one.at, one.rng, places=places, trouble=trouble),
        flows,
        seed=seed,
        classes=len(CLASSES) + 1,
        clients=Clients(obedient=more.pop("obedient", 0.8)),
        **more,
    )


def well(found: Figures, rank: int) -> float:
    """Of a class's requests that have ended, those that were answered in time, at whichever attempt."""
    one = found.classes[rank]
    return one.good / max(1, one.good + one.lost)


def decided(found: Figures) -> dict[str, float]:
    return {"decisions": found.decisions, "inversions": found.inversions, "inversions_10ms": found.lately}


def promised(found: Figures, seconds: float) -> dict[str, float]:
    """Of all classes together: how many were promised, how far off, and whether who obeyed was served."""
    returned = sum(one.returned for one in found.classes)
    errors = [error for one in found.classes if len(one.promises) >= 100 and (error := one.error(seconds)) is not None]
    return {
        "promises": sum(len(one.promises) for one in found.classes),
        "returned_well": sum(one.returned_well for one in found.classes) / returned if returned else 1.0,
        "retry_after_error": max(errors, default=0.0),
    }
