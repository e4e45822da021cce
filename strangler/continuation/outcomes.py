"""The handler of the outcomes' topics: what the new side's steps came to, stored for the subjects that wait."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from outbox.consumer.handler import Disposition, Poison
from outbox.event import Event, ReceivedEvent
from outbox.fault_points import FaultPoints
from strangler.continuation.table import StepOutcome, store

if TYPE_CHECKING:
    from outbox.connection import PsycopgConnection

Tells = Mapping[str, tuple[str, str]]
"""By step: the event type that says it is done, and the one that says it refused."""


class StoreOutcomes:
    """An `outbox.consumer.Handler`. Safe across threads: it keeps nothing between batches."""

    def __init__(self, tells: Tells, fault_points: FaultPoints | None = None) -> None:
        self._types = {
            type_: (step, refused)
            for step, (done, refuses) in tells.items()
            for type_, refused in ((done, False), (refuses, True))
        }
        self._fault_points = fault_points or FaultPoints()

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        outcomes = [self._read(index, received.event) for index, received in enumerate(events)]
        store(connection, [one for one in outcomes if one is not None])
        self._fault_points.reach("resume.outcome_stored")
        return [Disposition.NOT_OWNER if one is None else Disposition.APPLIED for one in outcomes]

    def _read(self, index: int, event: Event) -> StepOutcome | None:
        try:
            return self.outcome_of(event)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Poison(index, f"{event.type[:80]}: {type(error).__name__}: {error}"[:300]) from error

    def outcome_of(self, event: Event) -> StepOutcome | None:
        """None for what legacy did itself, for compensations and for types of other readers. `ValueError` and the like
        for an outcome that cannot be read.
        """
        if event.type not in self._types:
            return None
        step, refused = self._types[event.type]
        outcome = json.loads(event.payload)["outcome"]
        detail = {name: value for name, value in outcome.items() if name != "by"}
        return None if outcome["by"] == "legacy" else StepOutcome(event.aggregate_id, step, refused, detail)
