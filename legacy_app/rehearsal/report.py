"""The rehearsal's report: one JSON document, and whether all went as expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from strangler.service import Json


@dataclass(slots=True)
class StepCounts:
    """Orders by owner of one step at the end, and how many the new side acted on and the judge compared."""

    stage: str
    legacy: int = 0
    shadow: int = 0
    new: int = 0
    compared_new: int = 0
    handed_back: int = 0


@dataclass(slots=True)
class RehearsalReport:
    """Filled act by act. Counts are of orders unless the name says otherwise; `seconds` excludes set-up.

    `legacy_disease` and `new_path` are one peak before and after; `while_strangling` is the traffic between them.
    `accepted_pending`: of the accepted, those answered 202 before their outcome was known. `peak`: what became of each
    class of clients `without` and `with` admission, and which of them `bent`, most first.
    """

    orders: dict[str, int] = field(default_factory=dict)
    legacy_disease: dict[str, int] = field(default_factory=dict)
    peak: dict[str, Json] = field(default_factory=dict)
    while_strangling: dict[str, int] = field(default_factory=dict)
    new_path: dict[str, int] = field(default_factory=dict)
    steps: dict[str, StepCounts] = field(default_factory=dict)
    choreography: dict[str, int] = field(default_factory=dict)
    relay: dict[str, int] = field(default_factory=dict)
    reconciliation: dict[str, int] = field(default_factory=dict)
    planted: dict[str, Json] = field(default_factory=dict)
    input: dict[str, Json] = field(default_factory=dict)
    stack: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    set_up_seconds: float = 0.0

    def to_json(self) -> dict[str, Json]:
        """The document, with the verdict `as_expected` and the reasons against it."""
        reasons = list(unexpected(self))
        return {**asdict(self), "as_expected": not reasons, "unexpected": reasons}


# SHED is allowed by a policy, ORPHAN is legacy's own disease; what is left is MATCH: every step has a witness.
NO_VERDICTS = ("missing", "extra", "mismatch", "duplicate", "unknown", "late", "acted", "failed")


def unexpected(report: RehearsalReport) -> list[str]:
    """What must not be, in words; empty when the reconciliation is as expected."""
    must_be_zero: tuple[tuple[str, Mapping[str, int], tuple[str, ...]], ...] = (
        ("orders", report.orders, ("lost", "duplicated")),
        ("new_path", report.new_path, ("timeouts", "payments_without_order", "duplicate_orders")),
        ("choreography", report.choreography, ("stuck", "contradiction")),
        ("relay", report.relay, ("lost", "duplicated_effects")),
        ("reconciliation", report.reconciliation, NO_VERDICTS),
    )
    reasons = [
        f"{room}.{name} is {values.get(name, 'not counted')}, not 0"
        for room, values, names in must_be_zero
        for name in names
        if values.get(name) != 0
    ]
    if not report.legacy_disease.get("timeouts"):
        reasons.append("legacy_disease.timeouts is 0: there was nothing to cure")
    if report.planted.get("found") != report.planted.get("of") or not report.planted.get("of"):
        reasons.append(f"planted faults found: {report.planted.get('found')} of {report.planted.get('of')}")
    if not report.relay.get("kills"):
        reasons.append("the relay was never killed")
    for name, step in report.steps.items():
        if step.stage != "live":
            reasons.append(f"steps.{name}.stage is {step.stage}, not live")
        reasons += [
            f"steps.{name}.{owner} is 0" for owner in ("shadow", "new", "compared_new") if not getattr(step, owner)
        ]
    reasons += _unexpected_peak(report.peak)
    if not report.orders.get("accepted"):
        reasons.append("no order was accepted")
    return reasons


def _unexpected_peak(peak: Mapping[str, Json]) -> list[str]:
    """Shares of clients depend on the machine, and which of two runs is better does not."""
    if not peak:
        return ["peak: nobody came"]
    exact = [(name, peak["with"][name]) for name in ("lost", "duplicate_orders")]
    reasons = [f"peak.with.{name} is {count}, not 0" for name, count in exact if count]
    for name in ("continue", "checkout"):
        before, after = (peak[run]["classes"][name] for run in ("without", "with"))
        if after["good"] * before["came"] <= before["good"] * after["came"]:
            reasons.append(f"peak: {name} was answered in time no more often with admission than without")
    return reasons
