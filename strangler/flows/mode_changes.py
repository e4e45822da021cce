"""What is otherwise while a mode holds, at the edge and in every context: term by term. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outbox.policy import Placed, Policy
from strangler.admission.declared import Admission
from strangler.modes.declared import Mode, admission_in

AS_EVER = "as ever"


@dataclass(frozen=True, slots=True)
class ModeChange:
    """`where`: a context's name, `admission` or `bulk`. The values are as people read them."""

    where: str
    term: str
    usually: str
    meanwhile: str

    def __str__(self) -> str:
        return f"{self.where}: {self.term} {self.meanwhile}, usually {self.usually}"


def mode_changes(admission: Admission | None, placed: Sequence[Placed], mode: Mode) -> Sequence[ModeChange]:
    """The edge first, then the contexts in their order."""
    found = [] if admission is None else list(_at_the_edge(admission, mode))
    if mode.holds_bulk:
        found.append(ModeChange("bulk", "begins", "while no context is behind", "not at all"))
    return [*found, *(change for place in placed for change in _of_context(place.name, place.policy, mode))]


def _at_the_edge(admission: Admission, mode: Mode) -> Iterable[ModeChange]:
    for usual, meanwhile in zip(admission.classes, admission_in(admission, mode).classes, strict=True):
        for term in ("deadline_s", "floor", "quota_per_s"):
            before, now = getattr(usual, term), getattr(meanwhile, term)
            if before != now:
                yield ModeChange("admission", f"{usual.name}.{term}", _said(before), _said(now))


def _of_context(name: str, policy: Policy, mode: Mode) -> Iterable[ModeChange]:
    usual, meanwhile = policy.terms(), policy.during(mode.name).terms()
    for term, now in meanwhile.items():
        if usual.get(term) != now:
            yield ModeChange(name, term, _said(usual.get(term)), _said(now))
    for one in policy.modes:
        if one.mode == mode.name and one.calls_per_s is not None:
            yield ModeChange(name, "calls_per_s of each vendor", AS_EVER, f"{one.calls_per_s:g} at most")


def _said(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
