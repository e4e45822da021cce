"""The order of tests for several processes: a long one that begins last is waited for by all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def longest_first(items: Sequence[T], processes: int, takes_s: Callable[[T], float]) -> list[T]:
    """Each process begins with its part of what takes long, `takes_s` of it more than 0; the rest keeps its order.

    A process is given its share of the list from the front, as `--dist worksteal` does, so its part stands there.
    """
    long = sorted((one for one in items if takes_s(one)), key=takes_s, reverse=True)
    rest = iter([one for one in items if not takes_s(one)])
    ordered: list[T] = []
    for number in range(processes):
        own = long[number::processes]
        share = (len(items) - len(ordered)) // (processes - number)
        ordered += [*own, *islice(rest, max(0, share - len(own)))]
    return ordered
