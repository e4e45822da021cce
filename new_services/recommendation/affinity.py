"""How baskets change the counts of articles bought together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

Pair = tuple[str, str]


def pairs(skus: Iterable[str]) -> set[Pair]:
    """The unordered pairs of distinct articles, each with its smaller one first.

    >>> sorted(pairs(["b", "a", "c"]))
    [('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    return set(combinations(sorted(set(skus)), 2))


def difference(changes: Iterable[tuple[Sequence[str], Sequence[str]]]) -> dict[Pair, int]:
    """What replacing old baskets by new ones adds to each pair's count; pairs that stay as they are are left out.

    >>> difference([(["a", "b"], ["a", "c"])])
    {('a', 'b'): -1, ('a', 'c'): 1}
    """
    counts: Counter[Pair] = Counter()
    for old, new in changes:
        counts.subtract(pairs(old))
        counts.update(pairs(new))
    return {pair: count for pair, count in sorted(counts.items()) if count}
