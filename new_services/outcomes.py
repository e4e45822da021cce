"""How the new side tells the outcome of a step: the order as it was, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from strangler import Emit, Json

OUTCOME, COMPENSATION = 1, 2  # the aggregate version of a step's event


def tell(type_: str, order: Mapping[str, Json], outcome: Mapping[str, Json], version: int = OUTCOME) -> Emit:
    """The event of an outcome; `order` is the order's state as the triggering event had it."""
    return Emit(type_, {**order, "outcome": {"by": "new", **outcome}}, version)
