"""A page of metrics as Prometheus reads it: a series that is there twice makes it refuse the whole page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from outbox.catalogue import Sample

SERIES = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{(.*)\} \S+")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')

Series = tuple[str, frozenset[tuple[str, str]]]


def series_of(page: str) -> list[Series]:
    """Every series of the page; `AssertionError` for a line that is none, a label said twice, or a series twice."""
    found: list[Series] = []
    for line in page.splitlines():
        if line.startswith("#"):
            continue
        match = SERIES.fullmatch(line)
        assert match is not None, line
        labels = LABEL.findall(match[2])
        assert len({name for name, _ in labels}) == len(labels), line
        found.append((match[1], frozenset(labels)))
    assert twice(found) == []
    types = [line for line in page.splitlines() if line.startswith("# TYPE")]
    assert len({line.split(" ")[2] for line in types}) == len(types)
    return found


def sampled(samples: Iterable[Sample]) -> list[Series]:
    """The series of one source; `AssertionError` for one that is there twice."""
    found = [(one.name, frozenset(one.labels.items())) for one in samples]
    assert twice(found) == []
    return found


def twice(found: Iterable[Series]) -> list[Series]:
    return [series for series, times in Counter(found).items() if times > 1]
