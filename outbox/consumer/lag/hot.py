"""Who causes a backlog: partitions, keys, tenants and articles that have far more of it than their share. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

LEAST_EVENTS = 20  # in fewer, anything looks hot
LEAST_SHARE = 0.1
TIMES_FAIR = 3.0  # how often its fair share something must have
MOSTLY = 0.5  # of a hot partition or key: what is named as its cause
CAUSES = 3

Facet = tuple[str, str]  # what kind of thing, and which
KEY, PARTITION = "key", "partition"


@dataclass(frozen=True, slots=True)
class Hot:
    """`share`: of the events looked at, of a partition of all that wait, 0 to 1. `fair`: what each of its kind would
    have if all had the same. `cause`: of a partition or key, what its events are
    mostly of, as "100% tenant acme, 90% sku 7".
    """

    kind: str
    name: str
    events: int
    share: float
    fair: float
    cause: str = ""

    @property
    def sentence(self) -> str:
        because = f": {self.cause}" if self.cause else ""
        return f"{self.kind} {self.name} is in {self.share:.0%} of them (fair: {self.fair:.1%}){because}"


def hot(events: Iterable[Sequence[Facet]], *, at_most: int = 5) -> list[Hot]:
    """The hottest things of a sample of events, each given as its facets; the hottest first. Of a key it is said what
    else its events are mostly of.

    >>> [each.name for each in hot([[("sku", "A")]] * 30 + [[("sku", str(n))] for n in range(30)])]
    ['A']
    """
    sample = [set(facets) for facets in events]
    counts: dict[str, Counter[str]] = {}
    for facets in sample:
        for kind, name in facets:
            counts.setdefault(kind, Counter())[name] += 1
    total = len(sample)
    if total < LEAST_EVENTS:
        return []
    found = [_hot(kind, name, count, total, names) for kind, names in counts.items() for name, count in names.items()]
    above = [each for each in found if each.share >= LEAST_SHARE and each.share >= TIMES_FAIR * each.fair]
    first = sorted(above, key=lambda each: (-each.share, each.kind, each.name))[:at_most]
    return [
        _caused(each, (one for one in sample if (KEY, each.name) in one)) if each.kind == KEY else each
        for each in first
    ]


def hot_partitions(records: Mapping[str, int], events: Mapping[str, Iterable[Sequence[Facet]]]) -> list[Hot]:
    """Those that have more of what waits than half way from their fair share to all of it, with what it mostly is.

    `records` wait in each by name, empty ones too; `events`: a sample of each, as facets.
    """
    total, fair = sum(records.values()), 1 / max(1, len(records))
    if total < LEAST_EVENTS or len(records) < 2:
        return []
    found = [
        Hot(PARTITION, name, count, round(count / total, 3), round(fair, 4))
        for name, count in records.items()
        if count / total > (1 + fair) / 2
    ]
    return [_caused(each, events.get(each.name, ())) for each in found]


def _hot(kind: str, name: str, count: int, total: int, names: Counter[str]) -> Hot:
    return Hot(kind, name, count, round(count / total, 3), round(names.total() / total / len(names), 4))


def _caused(found: Hot, events: Iterable[Iterable[Facet]]) -> Hot:
    sample = [set(facets) for facets in events]
    counts = Counter(facet for facets in sample for facet in facets if facet != (found.kind, found.name))
    mostly = [(-count, *facet) for facet, count in counts.items() if count >= MOSTLY * len(sample)]
    said = (f"{-count / len(sample):.0%} {kind} {name}" for count, kind, name in sorted(mostly)[:CAUSES])
    return replace(found, cause=", ".join(said))
