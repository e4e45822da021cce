"""An audit of the choreography as metrics: how long subjects take from their first event to their end. Pure."""

from __future__ import annotations

from outbox.catalogue import Described
from outbox.metrics import Counters
from strangler.choreography.audit import ChoreographyAudit

WORKFLOW = (
    Described("workflow_run_timestamp_seconds", "gauge", ("workflow",), "when subjects were looked at, since 1970"),
    Described("workflow_subjects", "gauge", ("workflow", "standing"), "all subjects, by where they stand"),
    Described("workflow_late", "gauge", ("workflow",), "of those at their end, those that came after the deadline"),
    Described(
        "workflow_completion_seconds",
        "histogram",
        ("workflow", "end"),
        "from a subject's first event to the one that ends it, of all subjects that have both",
    ),
)


def counters_of(found: ChoreographyAudit, workflow: str, at_s: float) -> Counters:
    """`workflow`: what the plan's subject is called. `at_s`: when it was looked at."""
    counters = Counters({}, WORKFLOW)
    counters.set("workflow_run_timestamp_seconds", at_s, workflow=workflow)
    counters.set("workflow_late", found.late, workflow=workflow)
    for standing, count in found.counts.items():
        counters.set("workflow_subjects", count, workflow=workflow, standing=standing.value)
    for end, seconds in found.took_s.items():
        counters.time("workflow_completion_seconds", seconds, workflow=workflow, end=end.value)
    return counters
