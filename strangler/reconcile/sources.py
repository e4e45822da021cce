"""Where a run reads: connections and addresses. What cannot be read is said, and costs only its step."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.errors import OutboxError
from outbox.kafka.python_admin import PythonAdmin
from strangler.addresses import Addresses
from strangler.errors import StranglerError
from strangler.plan import Plan
from strangler.reconcile.await_frontier import Group, reach_lanes
from strangler.reconcile.frontier import StepFrontier
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.snapshots import (
    ByOrder,
    LegacySnapshot,
    NewSnapshot,
    described,
    read_ledger,
    read_legacy,
    read_new,
)
from strangler.reconcile.waiting import Deadline

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """`contexts`: by step a connection, or why there is none. `timeout_s` bounds each wait."""

    plan: Plan
    steps: Sequence[JudgedStep]
    addresses: Addresses
    main: PsycopgConnection
    contexts: Mapping[str, PsycopgConnection | str]
    timeout_s: float

    @classmethod
    def open(
        cls, plan: Plan, steps: Sequence[JudgedStep], addresses: Addresses, timeout_s: float, resources: ExitStack
    ) -> Sources:
        """`DependencyDown` without the main database; a context that is down costs only its step."""
        main = resources.enter_context(addresses.legacy())
        contexts = {step.name: _context(step, addresses, resources) for step in steps}
        return cls(plan, steps, addresses, main, contexts, timeout_s)

    def legacy(self, steps: Sequence[JudgedStep], refs: list[str] | None = None) -> LegacySnapshot:
        """All of legacy at one moment, or what it has of these subjects."""
        return read_legacy(self.main, self.plan, steps, refs)

    def new(self, step: JudgedStep, refs: list[str] | None = None) -> tuple[NewSnapshot, str]:
        """The context's side, or why it could not be read."""
        connection = self.contexts[step.name]
        if isinstance(connection, str):
            return NewSnapshot(), connection
        try:
            return read_new(connection, step, self.addresses, refs), ""
        except Exception as error:  # noqa: BLE001 - the plan's reader, or a context that is down: not judged
            logger.warning("context_not_read", extra={"step": step.name, "error": type(error).__name__})
            return NewSnapshot(), f"the new side of {step.name} could not be read: {described(error)}"

    def ledger(self, step: JudgedStep) -> tuple[ByOrder | None, str]:
        """What the step's vendor was asked, or why it could not be read."""
        try:
            return read_ledger(step, self.addresses), ""
        except Exception as error:  # noqa: BLE001 - the plan's reader of a foreign system: the step is not judged
            logger.warning("ledger_not_read", extra={"step": step.name, "error": type(error).__name__})
            return None, f"the vendor's ledger of {step.name} could not be read: {described(error)}"

    def lanes(self, steps: Sequence[JudgedStep], deadline: Deadline) -> dict[str, StepFrontier]:
        """Wait until every lane of the steps' groups has passed the present ends of their topics, or the deadline."""
        groups: dict[str, Group] = {}
        frontiers: dict[str, StepFrontier] = {}
        for step in steps:
            connection = self.contexts[step.name]
            if isinstance(connection, str):
                frontiers[step.name] = StepFrontier(why_unknown=connection)
            else:
                topics = self.addresses.topics(step.context)
                groups[step.name] = Group(connection, self.addresses.group(step.context), topics)
        return frontiers | reach_lanes(groups, lambda: PythonAdmin(self.addresses.kafka), deadline)


def _context(step: JudgedStep, addresses: Addresses, resources: ExitStack) -> PsycopgConnection | str:
    try:
        return resources.enter_context(addresses.context(step.context))
    except (StranglerError, OutboxError) as error:
        return str(error)
