"""Two answers to one read: where they differ, and which of that legacy does by itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from strangler.reads.canonical import BODY, ROOT, STATUS, spoken_place

LEARNED_FROM = 20  # reads for which legacy is asked twice, whatever comes of it
NOISE_IN = 2  # of them: once may be a write that came between
MOST_NOISE = 100
NEVER_NOISE = frozenset({STATUS, BODY, ROOT})  # an answer of another kind, not a detail of it

Places = Mapping[str, str]


@dataclass(slots=True)
class Noise:
    """What legacy does not answer twice in the same way, learned from reads that it was asked twice (A/A).

    Of a place that is noise nothing is compared any more. One that differs once is forgiven in that read alone. Status
    and body as a whole are never noise.
    """

    asked: int = 0
    _seen: Counter[str] = field(default_factory=Counter)

    @property
    def learning(self) -> bool:
        return self.asked < LEARNED_FROM

    @property
    def places(self) -> list[str]:
        return [place for place, times in self._seen.items() if times >= NOISE_IN]

    def learn(self, first: Places, second: Places | None) -> list[str]:
        """From one read; the places that are noise from now on, and were not. A second answer of another status, or
        none, teaches nothing.
        """
        if not self.learning:
            return []
        self.asked += 1
        if second is None or first.get(STATUS) != second.get(STATUS):
            return []
        fresh = []
        for place in sorted({spoken_place(one) for one in differing(first, second)} - NEVER_NOISE):
            if place in self._seen or len(self._seen) < MOST_NOISE:
                self._seen[place] += 1
                fresh += [place] if self._seen[place] == NOISE_IN else []
        return fresh

    def __contains__(self, place: str) -> bool:
        return self._seen[place] >= NOISE_IN


def differing(one: Places, other: Places) -> list[str]:
    """Every place where they do not say the same; one that only one of them has is such a place."""
    return [place for place in {**one, **other} if one.get(place) != other.get(place)]


def unexplained(candidate: Places, first: Places, second: Places | None) -> list[str]:
    """Where the candidate says what legacy has not said. `second`: legacy's answer when it was asked once more.

    Where legacy says two things by itself, nobody can tell who is right; where the candidate says the later of them, a
    write came between.

    >>> unexplained({"a": "2", "b": "9"}, {"a": "1", "b": "1"}, {"a": "2", "b": "1"})
    ['b']
    """
    found = differing(candidate, first)
    return found if second is None else [place for place in found if first.get(place) == second.get(place)]


def of_two_kinds(candidate: Places, first: Places, second: Places) -> bool:
    """Whether legacy's two answers are so unlike that a third one cannot be judged by them: of two statuses, or as a
    whole unlike each other and the candidate's.

    >>> of_two_kinds({"status": "200"}, {"status": "200"}, {"status": "429"})
    True
    >>> [of_two_kinds({"body": candidate}, {"body": "a"}, {"body": "b"}) for candidate in ("b", "c")]
    [False, True]
    """
    if first.get(STATUS) != second.get(STATUS):
        return True
    unlike = [place for place in NEVER_NOISE if first.get(place) != second.get(place)]
    return any(candidate.get(place) != second.get(place) for place in unlike)
