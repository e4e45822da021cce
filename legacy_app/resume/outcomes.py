"""The handler of the outcomes' topics: what the new side's steps came to, stored for the orders that wait."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from legacy_app.order_events import OUTCOMES
from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Poison
from outbox.event import Event, ReceivedEvent
from outbox.fault_points import FaultPoints
from strangler.continuation.table import StepOutcome, store

TYPES: Mapping[str, tuple[str, bool]] = {
    type_: (step, bool(refused)) for step, types in OUTCOMES.items() for refused, type_ in enumerate(types)
}
FIELDS: Mapping[str, tuple[str, ...]] = {
    "fraud": ("reason",),
    "inventory": ("sold_out", "short"),
    "payment": ("charge_id", "reason"),
}


class StoreOutcomes:
    """An `outbox.consumer.Handler`. Safe across threads: it keeps nothing between batches."""

    def __init__(self, fault_points: FaultPoints) -> None:
        self._fault_points = fault_points

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        outcomes = [_read(index, received.event) for index, received in enumerate(events)]
        store(connection, [one for one in outcomes if one is not None])
        self._fault_points.reach("resume.outcome_stored")
        return [Disposition.NOT_OWNER if one is None else Disposition.APPLIED for one in outcomes]


def _read(index: int, event: Event) -> StepOutcome | None:
    try:
        return outcome_of(event)
    except (ValueError, TypeError, KeyError) as error:
        raise Poison(index, f"{event.type[:80]}: {type(error).__name__}: {error}"[:300]) from error


def outcome_of(event: Event) -> StepOutcome | None:
    """None for what legacy did itself, for compensations and for types of other readers. `ValueError` and the like
    for an outcome that cannot be read.
    """
    found = TYPES.get(event.type)
    if found is None:
        return None
    step, refused = found
    outcome: Mapping[str, Any] = json.loads(event.payload)["outcome"]
    if outcome["by"] == "legacy":
        return None
    # What the customer is told of a refusal, and no more: scores and charges stay where they are.
    kept = {name: outcome.get(name) for name in FIELDS[step]} if refused else {}
    return StepOutcome(event.aggregate_id, step, refused, kept)
