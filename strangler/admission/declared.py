"""What a plan declares of who is let in while there is not room for all, and what contradicts itself in it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from outbox.terms import check_terms
from strangler.admission.bulk import Bulk, bulk_problems
from strangler.admission.work_class import WorkClass
from strangler.errors import BadPlan
from strangler.routes import ANONYMOUS, PLACEHOLDER, TOKEN, caller_problems

NAME = re.compile(r"[a-z][a-z0-9_]*")
ANY_METHOD = "*"
SHORTEST_PROMISE_S = 2.0


@dataclass(frozen=True, slots=True)
class Belongs:
    """Requests for `target`, a method and a path as of a `Route`, are work of the class `work`; `*` is any method.

    With `caller`, "header:NAME" or "cookie:NAME", only those that carry it, and only downwards: of the classes that a
    request fits the lowest counts, for what a client says of itself is no way up.
    """

    target: str
    work: str
    caller: str = ""

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)

    @property
    def method(self) -> str:
        return self.target.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.target.partition(" ")[2]


@dataclass(frozen=True, slots=True)
class FoundSlots:
    """Slots of an application of which nobody knows how many it has: found by asking whether more bring more answers.

    It begins with `start`, which is better too few than too many, and never goes above `most`.

    >>> FoundSlots(start=20, most=100).most
    100
    """

    start: int
    most: int

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)


@dataclass(frozen=True, slots=True)
class Admission:
    """Who is let in while there is not room for all. The server decides it by the request's method and path.

    `classes`: the most important first; a class is served before those below it, beyond what their floors keep.
    `belongs`: the first without a caller that fits counts, and what none fits is of the class `others`. `slots`: how
    many requests the application can work on at once, more of them only wait in it; `FoundSlots` where nobody knows.
    `bulk`: of work that does not come over HTTP.
    """

    classes: tuple[WorkClass, ...]
    belongs: tuple[Belongs, ...]
    others: str
    slots: int | FoundSlots
    bulk: Bulk | None = None

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)

    def rank(self, name: str) -> int:
        """The place of a class, 0 the most important."""
        return [one.name for one in self.classes].index(name)

    @property
    def most_slots(self) -> int:
        """As many as there may ever be."""
        return self.slots if isinstance(self.slots, int) else self.slots.most

    @property
    def promised_contexts(self) -> tuple[str, ...]:
        """Whose lag is to be known."""
        return tuple(dict.fromkeys(promise.context for one in self.classes for promise in one.lag_promises))


def admission_problems(admission: Admission) -> Iterable[str]:
    """What contradicts itself, each with the fix."""
    names = [one.name for one in admission.classes]
    if not names:
        yield "admission has no classes; name at least one, the most important first"
    for name, times in Counter(names).items():
        if times > 1:
            yield f"admission has class {name!r} {times} times; its place is its rank, and it has one"
    for rank, one in enumerate(admission.classes):
        yield from (f"admission's class {one.name!r} {problem}" for problem in _class_problems(one, rank))
    floors = sum(one.floor for one in admission.classes if one.floor > 0)
    if floors >= 1:
        yield f"admission's floors keep {floors:.0%} of the slots; leave some to who comes first, below 100% in all"
    yield from _belonging_problems(admission, names)
    yield from () if admission.bulk is None else bulk_problems(admission.bulk)
    yield from _slot_problems(admission.slots)


def _slot_problems(slots: int | FoundSlots) -> Iterable[str]:
    if isinstance(slots, int):
        if slots < 1:
            yield f"admission has {slots} slots; give how many requests the application can work on at once"
    elif not 1 <= slots.start <= slots.most:
        yield f"admission finds its slots from {slots.start} to at most {slots.most}; start with 1 or more"


def _class_problems(one: WorkClass, rank: int) -> Iterable[str]:
    if NAME.fullmatch(one.name) is None:
        yield "cannot stand in a clause; use lower case letters, digits and _"
    if not 0 < one.deadline_s < math.inf:
        yield f"has deadline_s={one.deadline_s}; give the seconds after which nobody waits for its answer"
    if not 0 <= one.floor < 1:
        yield f"has floor={one.floor}; give the share of the slots that it keeps, such as 0.02"
    if rank == 0 and one.floor:
        yield "is the first, which needs no floor: nobody is served before it; leave it out"
    if one.quota_per_s is not None and not 0 < one.quota_per_s < math.inf:
        yield f"has quota_per_s={one.quota_per_s}; give what one tenant may send in a second, or leave it out"
    yield from (
        f"degrades {name!r}, which cannot stand in a field; use lower case letters, digits and _"
        for name in one.degrade
        if NAME.fullmatch(name) is None
    )
    yield from _promise_problems(one)


def _promise_problems(one: WorkClass) -> Iterable[str]:
    for promise in one.lag_promises:
        if not SHORTEST_PROMISE_S <= promise.within_s < math.inf:
            yield (
                f"has a promise of {promise.within_s} s on {promise.context!r}; lag is read once a second, "
                f"give {SHORTEST_PROMISE_S:g} seconds or more"
            )
    for name, times in Counter(promise.context for promise in one.lag_promises).items():
        if times > 1:
            yield f"has {times} promises on {name!r}; leave the shortest"


def _belonging_problems(admission: Admission, names: list[str]) -> Iterable[str]:
    known = ", ".join(names)
    for (target, _), times in Counter((one.target, one.caller) for one in admission.belongs).items():
        if times > 1:
            yield f"admission names {target!r} {times} times, and the first counts; leave the others out"
    for one in admission.belongs:
        yield from (f"admission's target {one.target!r} {problem}" for problem in _target_problems(one))
        if one.caller:
            yield from (f"admission's target {one.target!r} has a caller that {problem}" for problem in _caller(one))
            if one.work == names[0]:
                yield f"admission's target {one.target!r} has a caller and the first class, which nothing lowers it to"
        if one.work not in names:
            yield f"admission's target {one.target!r} is of class {one.work!r}; known classes: {known}"
    if admission.others not in names:
        yield f"admission's others are of class {admission.others!r}; known classes: {known}"
    used = {admission.others, *(one.work for one in admission.belongs)}
    for name in dict.fromkeys(names):
        if name not in used:
            yield f"nothing belongs to admission's class {name!r}; name what does, or leave it out"


def _caller(one: Belongs) -> Iterable[str]:
    if one.caller == ANONYMOUS:
        yield "is everybody; leave it out"
    else:
        yield from caller_problems(one.caller)


def _target_problems(one: Belongs) -> Iterable[str]:
    literal = PLACEHOLDER.sub("", one.path)
    method = one.method
    if method != ANY_METHOD and (TOKEN.fullmatch(method) is None or method != method.upper()):
        yield "has a method that is no upper-case token; write it as it is sent, such as POST, or * for any"
    if not one.path.startswith("/"):
        yield "has a path that does not begin with '/'; write METHOD, a space and the path"
    if any(character in literal for character in "{}?#"):
        yield "holds one of { } ? # outside a placeholder; a placeholder is {name} or {name:path}"
