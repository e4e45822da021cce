"""The order of reading, which is what makes verdicts true: absence and surplus each need their own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from outbox.kafka.python_admin import PythonAdmin
from strangler.errors import StranglerError
from strangler.plan import Plan
from strangler.reconcile.addresses import Addresses
from strangler.reconcile.docket import Docket
from strangler.reconcile.frontier import StepFrontier
from strangler.reconcile.hearing import Hearing
from strangler.reconcile.horizon import await_horizon
from strangler.reconcile.reach import Group, await_relay, insert_lsn, reach_lanes
from strangler.reconcile.report import Report
from strangler.reconcile.sides import JudgedStep, NewSnapshot, described, read_ledger, read_legacy, read_new
from strangler.reconcile.waiting import Deadline

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a run reads. `contexts`: by step a connection, or why there is none."""

    plan: Plan
    steps: Sequence[JudgedStep]
    addresses: Addresses
    legacy: PsycopgConnection
    contexts: Mapping[str, PsycopgConnection | str]
    timeout_s: float

    @classmethod
    def open(
        cls, plan: Plan, steps: Sequence[JudgedStep], addresses: Addresses, timeout_s: float, resources: ExitStack
    ) -> Sources:
        """`DependencyDown` without the main database; a context that is down costs only its step."""
        legacy = resources.enter_context(addresses.legacy())
        contexts = {step.name: _context(step, addresses, resources) for step in steps}
        return cls(plan, steps, addresses, legacy, contexts, timeout_s)

    def new(self, step: JudgedStep) -> tuple[NewSnapshot, str]:
        """The context's side, or why it could not be read."""
        connection = self.contexts[step.name]
        if isinstance(connection, str):
            return NewSnapshot(), connection
        try:
            return read_new(connection, step, self.addresses), ""
        except Exception as error:  # noqa: BLE001 - the plan's reader, or a context that is down: not judged
            logger.warning("context_not_read", extra={"step": step.name, "error": type(error).__name__})
            return NewSnapshot(), f"the new side of {step.name} could not be read: {described(error)}"


def first_reading(sources: Sources, report: Report) -> list[Hearing]:
    """Legacy, then the frontier, then the new side, then the ledgers: what is absent now is absent for good."""
    deadline = Deadline.after(sources.timeout_s)
    before = read_legacy(sources.legacy, sources.plan, sources.steps)
    lsn = insert_lsn(sources.legacy)
    why = await_relay(sources.legacy, sources.addresses.slot, lsn, deadline)
    frontiers = _frontiers(sources, deadline, why)
    report.frontier = {"lsn": lsn, "steps": {name: frontier.to_json() for name, frontier in frontiers.items()}}
    hearings = []
    for step in sources.steps:
        new, new_unread = sources.new(step)
        hearing = Hearing(step, before, frontiers[step.name], new)
        ledger_unread = _hear_ledger(hearing, sources.addresses)
        hearing.why_unknown = before.steps[step.name].why_unknown or new_unread or ledger_unread
        report.unknown[step.name] = hearing.why_unknown or frontiers[step.name].why_unknown
        hearings.append(hearing)
    return hearings


def second_reading(sources: Sources, hearings: Sequence[Hearing], docket: Docket) -> None:
    """The new side, then the end of all open transactions, then legacy: what nobody wants now, nobody wanted."""
    again = [hearing for hearing in hearings if hearing.again]
    if not again:
        return
    new = {hearing.step.name: sources.new(hearing.step) for hearing in again}
    open_still = ""
    if not await_horizon(sources.legacy, Deadline.after(sources.timeout_s)):
        open_still = f"a transaction that was open when effects were read has not ended in {sources.timeout_s:g} s"
    after = read_legacy(sources.legacy, sources.plan, [hearing.step for hearing in again])
    for hearing in again:
        snapshot, unread = new[hearing.step.name]
        why = open_still or unread or after.steps[hearing.step.name].why_unknown
        docket.enter(hearing.second_look(after, snapshot, why))


def _context(step: JudgedStep, addresses: Addresses, resources: ExitStack) -> PsycopgConnection | str:
    try:
        return resources.enter_context(addresses.context(step.context))
    except StranglerError as error:
        return str(error)


def _frontiers(sources: Sources, deadline: Deadline, why: str) -> dict[str, StepFrontier]:
    if why:
        return {step.name: StepFrontier(why_unknown=why) for step in sources.steps}
    addresses = sources.addresses
    groups: dict[str, Group] = {}
    frontiers: dict[str, StepFrontier] = {}
    for step in sources.steps:
        connection = sources.contexts[step.name]
        if isinstance(connection, str):
            frontiers[step.name] = StepFrontier(why_unknown=connection)
        else:
            groups[step.name] = Group(connection, addresses.group(step.context), addresses.topics(step.context))
    return frontiers | reach_lanes(groups, lambda: PythonAdmin(addresses.bootstrap), deadline)


def _hear_ledger(hearing: Hearing, addresses: Addresses) -> str:
    try:
        hearing.ledger = read_ledger(hearing.step, addresses)
    except Exception as error:  # noqa: BLE001 - the plan's reader of a foreign system: the step is not judged
        logger.warning("ledger_not_read", extra={"step": hearing.step.name, "error": type(error).__name__})
        return f"the vendor's ledger of {hearing.step.name} could not be read: {described(error)}"
    return ""
