"""The group's retry budget is spent: what becomes of events that have failed, by the flow's policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Disposition
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.partitions.lanes import Run
from outbox.consumer.report import Report
from outbox.consumer.triage import Cause
from outbox.event import ReceivedEvent
from outbox.policy import OverBudget


@dataclass(frozen=True, slots=True)
class GivenUpRun:
    """A run that ends without another attempt: its handler gives up, or the events in `condemned` are parked."""

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
        """How the run ends now; None: it is put off. Only what has failed is given up, never what comes behind it.

        One event at a time is parked, so that the limits of quarantine see each. What the context may not lose now,
        because its interlock says so, is put off.
        """
        match self.choice:
            case OverBudget.DEFER:
                return None
            case OverBudget.QUARANTINE:
                head = run.cut_behind(run.records[0].offset)
                return GivenUpRun(
                    head, how, {head.records[0].offset: f"{Cause.OVER_BUDGET}: {self.shedding.over_budget}"}
                )
            case OverBudget.DROP:
                if not self.shedding.permitted():
                    return None
                failed = run.cut_behind(run.records[run.again - 1].offset)
                return GivenUpRun(failed, replace(how, handler=self._give_up))
            case _:
                assert_never(self.choice)

    def _give_up(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        clause = self.shedding.over_budget
        given_up = self.shedding.give_up(connection, events, clause)
        self.report.shed(clause, given_up.count(Disposition.SHED))
        return given_up
