"""Who causes a backlog: keys, tenants and articles that take far more than their share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEAST_EVENTS = 20  # in fewer, anything looks hot
LEAST_SHARE = 0.1
TIMES_FAIR = 3.0  # how often its fair share something must have

Facet = tuple[str, str]  # what kind of thing, and which


@dataclass(frozen=True, slots=True)
class Hot:
    """`share`: of the events looked at, 0 to 1. `fair`: what each of its kind would have if all had the same."""

    kind: str
    name: str
    events: int
    share: float
    fair: float

    @property
    def sentence(self) -> str:
        return f"{self.kind} {self.name} is in {self.share:.0%} of them (fair: {self.fair:.1%})"


def hot(events: Iterable[Sequence[Facet]], *, at_most: int = 5) -> list[Hot]:
    """The hottest things of a sample of events, each given as its facets; the hottest first.

    >>> [each.name for each in hot([[("sku", "A")]] * 30 + [[("sku", str(n))] for n in range(30)])]
    ['A']
    """
    counts: dict[str, Counter[str]] = {}
    total = 0
    for facets in events:
        total += 1
        for kind, name in set(facets):
            counts.setdefault(kind, Counter())[name] += 1
    if total < LEAST_EVENTS:
        return []
    found = [_hot(kind, name, count, total, names) for kind, names in counts.items() for name, count in names.items()]
    above = [each for each in found if each.share >= LEAST_SHARE and each.share >= TIMES_FAIR * each.fair]
    return sorted(above, key=lambda each: (-each.share, each.kind, each.name))[:at_most]


def _hot(kind: str, name: str, count: int, total: int, names: Counter[str]) -> Hot:
    return Hot(kind, name, count, round(count / total, 3), round(names.total() / total / len(names), 4))
