"""A flow's policy: what a context says about its work before anything is overloaded. Plain data, checked when made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from outbox.errors import ConfigurationError


class Loss(StrEnum):
    """What may happen to an event of the flow under pressure."""

    LOSSLESS = "lossless"
    DEFERRABLE = "deferrable"
    LOSSY = "lossy"
    REJECTABLE = "rejectable"


class DuplicateImpact(StrEnum):
    """What a second execution does to the world."""

    HARMLESS = "harmless"
    HARMFUL = "harmful"


@dataclass(frozen=True, slots=True)
class FlowPolicy:
    """`degrade_order`: 1 is given up first, None never. `deadline_s`: after it the work is late. Bounds in events."""

    flow: str
    loss: Loss
    deadline_s: float
    replayable: bool
    duplicate_impact: DuplicateImpact
    duplicate_guard: str
    ordering_scope: str
    throttling_unit: str
    degrade_order: int | None
    queue_bound: int
    queue_reason: str

    def __post_init__(self) -> None:
        lossless, harmful = self.loss is Loss.LOSSLESS, self.duplicate_impact is DuplicateImpact.HARMFUL
        refusals = {
            "deadline_s and queue_bound must be above 0": self.deadline_s <= 0 or self.queue_bound <= 0,
            "a bound needs its queue_reason": not self.queue_reason,
            "a lossless flow must be replayable": lossless and not self.replayable,
            "a lossless flow has no degrade_order": lossless and self.degrade_order is not None,
            "a flow that may lose needs a degrade_order from 1": not lossless and (self.degrade_order or 0) < 1,
            "harmful duplicates need a duplicate_guard": harmful and not self.duplicate_guard,
        }
        found = "; ".join(rule for rule, broken in refusals.items() if broken)
        if found:
            raise ConfigurationError(f"policy of flow {self.flow!r} contradicts itself: {found}")

    def describe(self) -> str:
        """One line per field, for a person."""
        return "\n".join(f"{field.name}: {getattr(self, field.name)}" for field in fields(self))
