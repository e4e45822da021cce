"""Scenarios of several workers: how far they pass the slots together, and for how long a dead one's are nobody's."""

from __future__ import annotations

import random
from collections.abc import Sequence

from strangler.admission.lease import EVERY_S, Lease
from strangler.admission.slots import ClassSlots
from tests.admission.loads import (
    CHECKOUT,
    CLASSES,
    CONTINUE,
    PLACES,
    SATURATION,
    UNLOADED_P99_S,
    Found,
    mix,
    promised,
    well,
    world,
)
from tests.admission.workers import Worker, Workers


def workers(seed: int, weights: Sequence[float], total: int = PLACES) -> Workers:
    """One for each weight; they start one after the other, and exchange at different moments."""
    rng = random.Random(seed + 3_000_000)
    made = [
        Worker(
            ClassSlots(CLASSES, 0, random.Random(seed + 1_000_000 + number).random, 0.0),
            Lease(f"w{number}", total, len(weights)),
            weight,
            rng.random() * EVERY_S,
        )
        for number, weight in enumerate(weights)
    ]
    return Workers(made, rng, total)


def several(times: float, weights: Sequence[float], seed: int, seconds: float, *, dies: bool = False) -> Found:
    """`weights` of the requests come to each. With `dies`, one of them does after half the time."""
    rule = workers(seed, weights)
    one = world(rule, mix(times), seed, since=5.0)
    if dies:
        one.at(seconds / 2, lambda now: rule.kill(0, now))
    found = one.run(seconds)
    figures = {
        "excess": rule.most_in_flight - PLACES,
        "excess_held": rule.most_held - PLACES,
        "goodput": found.good_per_s(5.0, seconds) / SATURATION,
        "p99_of_unloaded": found.p99() / UNLOADED_P99_S,
        "continue_good": well(found, CONTINUE),
        "checkout_good": well(found, CHECKOUT),
    }
    if dies:
        return figures | {"whole_again_s": (rule.whole_again_at or float("inf")) - seconds / 2}
    return figures | promised(found, seconds)
