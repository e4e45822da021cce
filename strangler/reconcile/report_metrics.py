"""A reconciliation as metrics: what it judged, what stands, what it could not read. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from outbox.catalogue import Described, Sample
from strangler.facts import FINDINGS, Verdict
from strangler.reconcile.report import Report

RECONCILIATION = (
    Described("reconcile_run_timestamp_seconds", "gauge", (), "when the last run ended, seconds since 1970"),
    Described("reconcile_run_seconds", "gauge", (), "how long it took"),
    Described("reconcile_exit", "gauge", (), "its exit code: 0 nothing is wrong, 1 findings, 3 not all was judged"),
    Described("reconcile_subjects", "gauge", ("step",), "subjects of which a side spoke in the last run"),
    Described(
        "reconcile_effects",
        "gauge",
        ("step", "verdict"),
        "effects that the last run judged, of which without `--all` only what is new, by their verdict",
    ),
    Described(
        "reconcile_findings", "gauge", ("step", "verdict"), "findings that stand after it, those of earlier runs too"
    ),
    Described("reconcile_changed", "gauge", ("step",), "verdicts that it found otherwise than an earlier run"),
    Described(
        "reconcile_not_read", "gauge", ("step",), "1 where the new side was not read, so that nothing final can be said"
    ),
    Described(
        "reconcile_no_witness", "gauge", ("step",), "what of the step nobody confirms: of it `acted` is the best"
    ),
)


def samples_of(report: Report, at_s: float) -> Iterator[Sample]:
    """Every step and verdict has its series, also at 0. `at_s`: when the run ended."""
    yield Sample("reconcile_run_timestamp_seconds", at_s, {})
    yield Sample("reconcile_run_seconds", report.seconds, {})
    yield Sample("reconcile_exit", report.exit_code, {})
    for step in report.steps:
        named = {"step": step}
        yield Sample("reconcile_subjects", report.looked_at[step], named)
        yield Sample("reconcile_changed", sum(one.step == step for one in report.changes), named)
        yield Sample("reconcile_not_read", int(bool(report.unknown.get(step))), named)
        yield Sample("reconcile_no_witness", len(report.no_witness.get(step, ())), named)
        for verdict in Verdict:
            labels = {**named, "verdict": verdict.value}
            yield Sample("reconcile_effects", report.counts[step][verdict], labels)
            if verdict in FINDINGS:
                standing = report.counts[step][verdict] + report.standing[step][verdict]
                yield Sample("reconcile_findings", standing, labels)
