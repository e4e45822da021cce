"""The group's retry budget is spent: what becomes of events that have failed, by the flow's policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Disposition
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.partitions.run import Run
from outbox.consumer.report import Report
from outbox.consumer.triage import ParkingCause
from outbox.event import ReceivedEvent
from outbox.policy import OverBudget


@dataclass(frozen=True, slots=True)
class GivenUpRun:
    """An event that ends without another attempt: its handler gives it up, or it is in `condemned` and is parked."""

    run: Run
    how: Application
    condemned: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spent:
    """Asked when a run may not be tried again for now."""

    choice: OverBudget
    shedding: Shedding
    report: Report

    def ended(self, run: Run, how: Application) -> GivenUpRun | None:
        """How the run's first event ends now; None: the run is put off.

        Only an event that has failed in a run of its own ends: of a longer run nobody knows whose failure it was. So an
        outage ends no more than the budget pays attempts for. What the context may not lose now is put off.
        """
        if not run.failed_alone or self.choice is OverBudget.DEFER:
            return None
        first = run.records[0].offset
        head = run.cut_behind(first)
        if self.choice is OverBudget.QUARANTINE:
            return GivenUpRun(head, how, {first: f"{ParkingCause.OVER_BUDGET}: {self.shedding.over_budget}"})
        return GivenUpRun(head, replace(how, handler=self._give_up)) if self.shedding.permitted() else None

    def _give_up(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        clause = self.shedding.over_budget
        given_up = self.shedding.give_up(connection, events, clause)
        self.report.shed(clause, given_up.count(Disposition.SHED))
        return given_up
