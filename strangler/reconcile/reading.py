"""The order of reading, which is what makes verdicts true.

Each side is read at another moment, so what one snapshot lacks another may have. What is read later has seen more:

    legacy -> frontier -> new -> ledger     what legacy wanted and is absent now was not done in time: absence
    legacy <- horizon  <- new <- ledger     what was there and legacy does not want after it: surplus

So absence is asked forwards and surplus backwards, and a run reads in a zigzag of which each leg answers one question:

    legacy -> frontier -> new -> ledger     the first look: whatever it finds is a question
    new -> horizon -> legacy                backwards: surplus of the first ledger is settled
    frontier -> new -> ledger               forwards again, from the same legacy: absence at a second frontier

The last two legs are read only where something was asked of them, and of the subjects that are asked about. One
frontier is not enough for absence: it proves that the new side has passed what legacy had committed, and not that
legacy had committed all that it is going to say of a subject, nor that what a context or a vendor shows at one moment
it shows at the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strangler.reconcile.await_frontier import await_relay, insert_lsn
from strangler.reconcile.frontier import StepFrontier
from strangler.reconcile.horizon import await_horizon
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.look import Look
from strangler.reconcile.report import Report
from strangler.reconcile.second_look import asks_of_absence, asks_of_surplus
from strangler.reconcile.snapshots import LegacySnapshot
from strangler.reconcile.sources import Sources
from strangler.reconcile.step_comparison import Backwards, StepComparison
from strangler.reconcile.verdict_changes import VerdictChanges
from strangler.reconcile.waiting import Deadline
from strangler.step.intents import Json


def first_reading(sources: Sources, report: Report) -> list[StepComparison]:
    """The first look at every step."""
    looks, report.frontier = _forwards(sources, sources.steps, sources.legacy(sources.steps))
    report.unknown = {look.step.name: look.why_unknown or look.frontier.why_unknown for look in looks}
    return [StepComparison(look) for look in looks]


def second_reading(
    sources: Sources, hearings: Sequence[StepComparison], docket: VerdictChanges, report: Report
) -> None:
    """Backwards and forwards again, for the steps and as far as the first look has asked."""
    again = [hearing for hearing in hearings if hearing.again]
    if not again:
        return
    backwards, legacy = _backwards(sources, again)
    absent = [hearing.look.step for hearing in again if hearing.asks(asks_of_absence)]
    window = {hearing.step: list(hearing.again) for hearing in again}
    looks, second = _forwards(sources, absent, legacy, window) if absent else ([], {})
    report.frontier = {**report.frontier, "second": second} if absent else report.frontier
    forwards = {look.step.name: look for look in looks}
    for hearing in again:
        docket.enter(hearing.second_look(backwards.get(hearing.step), forwards.get(hearing.step)))
        report.second_looks[hearing.step] += hearing.counts


def _forwards(
    sources: Sources, steps: Sequence[JudgedStep], legacy: LegacySnapshot, window: Mapping[str, list[str]] | None = None
) -> tuple[list[Look], dict[str, Json]]:
    """From a snapshot of legacy: its position, the frontier, the new side, the ledgers; and the frontier as data.
    `window`: by step the subjects that are asked about; all without it.
    """
    deadline = Deadline.after(sources.timeout_s)
    lsn = insert_lsn(sources.main)
    why = await_relay(sources.main, sources.addresses.slot, lsn, deadline)
    unreached = {step.name: StepFrontier(why_unknown=why) for step in steps}
    frontiers = unreached if why else sources.lanes(steps, deadline)
    refs = window or {}
    looks = [_look(sources, step, legacy, frontiers[step.name], refs.get(step.name)) for step in steps]
    return looks, {"lsn": lsn, "steps": {name: frontier.to_json() for name, frontier in frontiers.items()}}


def _look(
    sources: Sources, step: JudgedStep, legacy: LegacySnapshot, frontier: StepFrontier, refs: list[str] | None
) -> Look:
    """The ledger after the new side: what that says it has done, the vendor must know."""
    new, new_unread = sources.new(step, refs)
    ledger, ledger_unread = sources.ledger(step)
    why = legacy.steps[step.name].why_unknown or new_unread or ledger_unread
    return Look(step, legacy, frontier, new, ledger, why)


def _backwards(sources: Sources, again: Sequence[StepComparison]) -> tuple[dict[str, Backwards], LegacySnapshot]:
    """The new side, then the end of all open transactions, then legacy: by step what settles its surplus, and legacy.

    Absence alone waits for no transaction: all that it asks of legacy is to be read anew.
    """
    about_surplus = [hearing for hearing in again if hearing.asks(asks_of_surplus)]
    new = {hearing.step: sources.new(hearing.look.step, list(hearing.again)) for hearing in about_surplus}
    open_still = ""
    if new and not await_horizon(sources.main, Deadline.after(sources.timeout_s)):
        open_still = f"a transaction that was open when effects were read has not ended in {sources.timeout_s:g} s"
    refs = sorted({ref for hearing in again for ref in hearing.again})
    legacy = sources.legacy([hearing.look.step for hearing in again], refs)
    whys = {step: open_still or unread or legacy.steps[step].why_unknown for step, (_, unread) in new.items()}
    return {step: Backwards(legacy, snapshot, whys[step]) for step, (snapshot, _) in new.items()}, legacy
