"""A run of the judge: read, judge, store, report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import UUID

import psycopg

from outbox import uuid7
from strangler.addresses import Addresses
from strangler.errors import BadInput, DependencyDown
from strangler.plan import Plan
from strangler.reconcile import verdicts
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.reading import first_reading, second_reading
from strangler.reconcile.report import Report
from strangler.reconcile.snapshots import described
from strangler.reconcile.sources import Sources
from strangler.reconcile.verdict_changes import VerdictChanges
from strangler.store import read_stages

__all__ = ["Report", "reconcile"]


def reconcile(
    plan: Plan,
    environ: Mapping[str, str],
    *,
    steps: Sequence[str] | None = None,
    everything: bool = False,
    timeout_s: float = 10.0,
) -> Report:
    """Judge what is newly below the frontier, or with `everything` audit all again. COMMITS the final verdicts.

    Waits at most `timeout_s` for relay and lanes; as long again for open transactions where something is there that
    nobody seems to want; and as long again for relay and lanes where something seems to be missing, which is final only
    at a second frontier. What was not reached is UNKNOWN or LATE, never MISSING. Safe beside other runs and under load.
    Raises `DependencyDown` when the main database does not answer, `BadInput` for a bad step or address.
    """
    if timeout_s < 0:
        raise BadInput(f"timeout_s is {timeout_s}; give 0 or more")
    chosen = [plan.step(name) for name in steps] if steps else plan.taken_over()
    judged = [JudgedStep.of(step) for step in dict.fromkeys(chosen)]
    report = Report("everything" if everything else "new", str(uuid7()), tuple(step.name for step in judged))
    report.no_witness = {step.name: tuple(step.without_witness()) for step in judged}
    try:
        with ExitStack() as resources:
            sources = Sources.open(plan, judged, Addresses(environ), timeout_s, resources)
            _hold(sources, report, everything=everything)
    except psycopg.Error as error:
        raise DependencyDown(
            f"the main database failed: {described(error)}; check that it runs and that `strangler migrate` has run"
        ) from error
    return report


def _hold(sources: Sources, report: Report, *, everything: bool) -> None:
    started_at, begun = datetime.now(UTC), time.monotonic()
    epoch = read_stages(sources.main).epoch  # before anything else: a move after it makes this run none of its evidence
    hearings = first_reading(sources, report)
    stored = {step.name: verdicts.read_verdicts(sources.main, step.name) for step in sources.steps}
    report.known.update({name: len(verdicts_of) for name, verdicts_of in stored.items()})
    docket = VerdictChanges(report, stored, everything=everything)
    for hearing in hearings:
        docket.enter(hearing.first_look(docket.is_news))
        report.looked_at[hearing.step] = hearing.looked_at
    second_reading(sources, hearings, docket, report)
    docket.close()
    report.seconds = time.monotonic() - begun
    document = report.to_json()
    counts = {
        "steps": document["counts"],
        "changes": document["changes"],
        "unknown": document["unknown"],
        "epoch": epoch,
    }
    run = verdicts.Run(UUID(report.run_id), report.scope, report.frontier, counts, started_at, datetime.now(UTC))
    verdicts.store(sources.main, run, docket.final, docket.gone)
