"""What one-shot verbs write for Prometheus: by the catalogue, also what is 0."""

from __future__ import annotations

from strangler.choreography import ChoreographyAudit, Standing
from strangler.choreography.audit_metrics import WORKFLOW, counters_of
from strangler.facts import Verdict
from strangler.reconcile.report import Report
from strangler.reconcile.report_metrics import RECONCILIATION, samples_of


def test_a_reconciliation_speaks_by_the_catalogue() -> None:
    report = Report("new", "run", ("mail",))
    samples = list(samples_of(report, 7.0))
    assert {one.name: tuple(one.labels) for one in samples} == {one.name: one.labels for one in RECONCILIATION}
    found = {(one.name, one.labels.get("verdict")): one.value for one in samples}
    assert (found["reconcile_run_timestamp_seconds", None], found["reconcile_exit", None]) == (7.0, 3)
    report.counts["mail"][Verdict.MISSING], report.standing["mail"][Verdict.MISSING] = 2, 3
    report.unknown["mail"] = "the ledger was not read"
    found = {(one.name, one.labels.get("verdict")): one.value for one in samples_of(report, 7.0)}
    assert (found["reconcile_findings", "missing"], found["reconcile_effects", "missing"]) == (5, 2)
    assert found["reconcile_not_read", None] == 1


def test_an_audit_of_workflows_speaks_by_the_catalogue() -> None:
    counts = dict.fromkeys(Standing, 0) | {Standing.DONE: 2}
    page = counters_of(ChoreographyAudit(counts, 1, [], {Standing.DONE: [4.0, 70.0]}), "order", 7.0).page()
    assert {line.split()[2]: line.split()[3] for line in page.splitlines() if line.startswith("# TYPE")} == {
        one.name: one.kind for one in WORKFLOW
    }
    assert 'workflow_completion_seconds_count{workflow="order",end="done"} 2' in page.splitlines()
