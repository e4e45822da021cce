"""Every way that a subject can go: all reactions to an event happen, each with one of its outcomes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice, product

from strangler.choreography.graph import Choreography

MOST_RUNS = 10_000  # twenty events with two outcomes each give a few dozen; so many are a mistake
Path = tuple[str, ...]


class EndlessError(Exception):
    """A path comes back to an event that it has. `path` ends with it."""

    def __init__(self, path: Path) -> None:
        super().__init__(" -> ".join(path))
        self.path = path


class TooManyRunsError(Exception):
    """More runs than can be judged one by one."""


@dataclass(frozen=True, slots=True)
class Visit:
    """An event in a run: how it came about, and after how many seconds at the latest. `ends`: nothing follows it."""

    path: Path
    at_s: float
    ends: bool

    @property
    def type(self) -> str:
        return self.path[-1]


Run = tuple[Visit, ...]


def runs(graph: Choreography) -> Sequence[Run]:
    """All runs from all starts, each event after its causes. `EndlessError`, `TooManyRunsError`."""
    found = list(islice((run for start in graph.starts for run in _from(graph, (start,), 0.0)), MOST_RUNS + 1))
    if len(found) > MOST_RUNS:
        raise TooManyRunsError(f"the graph has more than {MOST_RUNS} runs; split it")
    return found


def _from(graph: Choreography, path: Path, at_s: float) -> Iterator[Run]:
    if path[-1] in path[:-1]:
        raise EndlessError(path)
    reactions = [one for one in graph.reactions_on(path[-1]) if set(one.only_after) <= set(path)]
    here = Visit(path, at_s, ends=not reactions)
    branches = [
        [run for follower in one.leads_to for run in _from(graph, (*path, follower), at_s + one.within_s)]
        for one in reactions
    ]
    for choice in product(*branches):
        yield reduce(lambda whole, branch: whole + branch, choice, (here,))
