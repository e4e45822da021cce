"""What a plan declares of a mode: who may declare it, for how long at most, what it changes at the edge. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from outbox.terms import check_terms
from strangler.admission.declared import NAME, Admission, admission_problems
from strangler.admission.work_class import WorkClass
from strangler.contexts import Context
from strangler.errors import BadPlan


@dataclass(frozen=True, slots=True)
class Mode:
    """A state of the business that people declare, with an end. What a context does otherwise stands in its own policy.

    `longest_s`: nobody declares it for longer; it may be declared again. `declared_by`: who may; () is whoever has the
    rights in the database. `classes`: deadline, floor and quota of admission's classes of those names. `holds_bulk`:
    commands under `strangler admit bulk` wait, or are slowed, as under pressure.

    >>> Mode("peak", longest_s=4 * 3600, declared_by=("operations",), holds_bulk=True).name
    'peak'
    """

    name: str
    longest_s: float
    declared_by: tuple[str, ...] = ()
    classes: tuple[WorkClass, ...] = ()
    holds_bulk: bool = False

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)


def admission_in(admission: Admission, mode: Mode | None) -> Admission:
    """Who is let in while that mode holds; as ever where none does."""
    if mode is None or not mode.classes:
        return admission
    meanwhile = {one.name: one for one in mode.classes}
    return replace(admission, classes=tuple(_meanwhile(one, meanwhile.get(one.name, one)) for one in admission.classes))


def _meanwhile(usual: WorkClass, said: WorkClass) -> WorkClass:
    """What it promises holds in every mode, and so does what may be left out of it."""
    return replace(usual, deadline_s=said.deadline_s, floor=said.floor, quota_per_s=said.quota_per_s)


def mode_problems(modes: Sequence[Mode], admission: Admission | None) -> Iterable[str]:
    """What contradicts itself, each with the fix."""
    for name, times in Counter(one.name for one in modes).items():
        if times > 1:
            yield f"mode {name!r} stands {times} times; say all of it once"
    for one in modes:
        yield from (f"mode {one.name!r} {problem}" for problem in _problems(one, admission))


def _problems(mode: Mode, admission: Admission | None) -> Iterable[str]:
    if NAME.fullmatch(mode.name) is None:
        yield "cannot stand in a clause; use lower case letters, digits and _"
    if not 0 < mode.longest_s < math.inf:
        yield f"has longest_s={mode.longest_s}; give the seconds after which it ends by itself at the latest"
    if not all(name.strip() for name in mode.declared_by):
        yield "names somebody without a name in declared_by; give the actors' names"
    known = [] if admission is None else [one.name for one in admission.classes]
    unknown = sorted({one.name for one in mode.classes} - set(known))
    if unknown:
        yield f"changes the class {unknown[0]!r}, which admission does not have; it has: {', '.join(known) or 'none'}"
    elif admission is not None and mode.classes:
        usual = set(admission_problems(admission))
        yield from (
            f"leaves this: {one}" for one in admission_problems(admission_in(admission, mode)) if one not in usual
        )
    for one in mode.classes:
        if one.lag_promises:
            yield f"changes the lag that {one.name!r} promises; leave it out: a promise holds in every mode"
    if mode.holds_bulk and (admission is None or admission.bulk is None):
        yield "holds bulk, of which admission says nothing; give it bulk=Bulk(...), or leave holds_bulk out"


def unknown_modes(contexts: Mapping[str, Context], modes: Sequence[Mode]) -> Iterable[str]:
    """Those that a context's policy names and nobody can declare."""
    known = {one.name for one in modes}
    for name, context in contexts.items():
        for one in context.policy.modes if context.policy else ():
            if one.mode not in known:
                names = ", ".join(sorted(known)) or "none"
                yield f"{name!r} does otherwise in mode {one.mode!r}, which the plan does not have; it has: {names}"
