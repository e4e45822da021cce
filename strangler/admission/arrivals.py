"""From the requests of a log to first attempts with a class, a moment and a service time."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from strangler.admission.access_log import Logged
from strangler.admission.dry_run import Arrival
from strangler.errors import BadInput

SIGMA = 0.5  # of service times, where only their mean is given: lognormal
NOT_WORKED_ON = frozenset({429, 502, 503, 504})  # how long these took says nothing of the work
NO_DURATION = (
    "the log does not say how long requests took; log it ($request_time of nginx, %D of Apache, duration_s in JSON), "
    "or give the mean by --service-s"
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """`repeats`: further attempts with a key that came before, left out. `most_at_once`: in progress, as logged."""

    arrivals: Sequence[Arrival]
    repeats: int
    most_at_once: int | None


def arrivals_of(
    logged: Iterable[Logged], rank_of: Callable[[str, str], int], service_s: float | None, rng: random.Random
) -> Arrived:
    """`service_s` is the mean service time, in place of the log's. `BadInput` where neither says it."""
    firsts, keys, repeats = list[Logged](), set[tuple[str, str]](), 0
    for one in logged:
        if one.key and (one.tenant, one.key) in keys:
            repeats += 1
            continue
        keys.add((one.tenant, one.key))
        firsts.append(one)
    moments = _moments(firsts, rng)
    ranks = [rank_of(one.method, one.target) for one in firsts]
    times = _service_times(firsts, ranks, service_s, rng)
    arrivals = sorted(
        (
            Arrival(at, rank, one.tenant, seconds)
            for at, rank, one, seconds in zip(moments, ranks, firsts, times, strict=True)
        ),
        key=lambda one: one.at,
    )
    spans = [(at, one.service_s) for at, one in zip(moments, firsts, strict=True) if one.service_s is not None]
    return Arrived(arrivals, repeats, _most_at_once(spans) if spans else None)


def _moments(firsts: Sequence[Logged], rng: random.Random) -> list[float]:
    """Where the log counts in whole seconds, at random within them: all at their beginning would be a crowd."""
    if any(one.at % 1 for one in firsts):
        return [one.at for one in firsts]
    moments = []
    for second, group in groupby(one.at for one in firsts):
        moments += sorted(second + rng.random() for _ in group)
    return moments


def _service_times(
    firsts: Sequence[Logged], ranks: Sequence[int], service_s: float | None, rng: random.Random
) -> list[float]:
    """Of what was refused or lost, the median of its class, else of all."""
    if service_s is not None:
        return [rng.lognormvariate(math.log(service_s) - SIGMA**2 / 2, SIGMA) for _ in firsts]
    known = [
        (rank, one.service_s)
        for rank, one in zip(ranks, firsts, strict=True)
        if one.service_s is not None and one.status not in NOT_WORKED_ON
    ]
    if not known:
        raise BadInput(NO_DURATION)
    overall = median(seconds for _, seconds in known)
    typical = {rank: median(seconds for of, seconds in known if of == rank) for rank in {rank for rank, _ in known}}
    return [
        one.service_s if one.service_s is not None and one.status not in NOT_WORKED_ON else typical.get(rank, overall)
        for rank, one in zip(ranks, firsts, strict=True)
    ]


def _most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    changes = sorted([(at, 1) for at, _ in spans] + [(at + seconds, -1) for at, seconds in spans])
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
