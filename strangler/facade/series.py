"""Every series of the facade's page, each with its place in a row of cells. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from outbox.catalogue import BUCKETS_S, Described
from outbox.metrics import Counters


class Series:
    """Every series that there can be."""

    def __init__(self, described: Sequence[Described], values: Mapping[str, Sequence[str]]) -> None:
        self.described = described
        self.places: dict[tuple[str, ...], int] = {}
        self.gauges: list[int] = []
        self.width = 0
        for one in described:
            for labels in product(*(values[label] for label in one.labels)):
                self.places[one.name, *labels] = self.width
                if one.kind == "gauge":
                    self.gauges.append(self.width)
                self.width += len(BUCKETS_S) + 2 if one.kind == "histogram" else 1

    def fill(self, counters: Counters, cells: Sequence[float]) -> None:
        """Gauges, and whatever has been counted."""
        kinds = {one.name: one for one in self.described}
        for (name, *values), place in self.places.items():
            one = kinds[name]
            found = dict(zip(one.labels, values, strict=True))
            buckets = cells[place : place + len(BUCKETS_S) + 1]
            if one.kind == "gauge":
                counters.set(name, cells[place], **found)
            elif one.kind == "counter" and cells[place]:
                counters(name, int(cells[place]), **found)
            elif one.kind == "histogram" and any(buckets):
                counters.merge(name, [int(count) for count in buckets], cells[place + len(BUCKETS_S) + 1], **found)
