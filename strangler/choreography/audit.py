"""Prove from the data that every subject has ended, or is within its deadline: one snapshot, subject by subject."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from outbox.connection import PsycopgConnection
from strangler.choreography.graph import Choreography, Readers, Seen
from strangler.choreography.verdict import Standing, SubjectVerdict, judge, worst_first
from strangler.errors import BadPlan

# One snapshot for all readers, so what a subject says and what its events say belong together.
ONE_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
NOW = "SELECT clock_timestamp()"
MOST_REMARKS = 200  # remarks explain; nobody reads more


@dataclass(frozen=True, slots=True)
class ChoreographyAudit:
    """How many subjects stand where, and those that need somebody, worst first. `proved`: none is overdue or denies.

    `took_s`: of those at their end, by which, the seconds from the first event where that is known.
    """

    counts: Mapping[Standing, int]
    late: int
    findings: Sequence[SubjectVerdict]
    took_s: Mapping[Standing, Sequence[float]]

    @property
    def proved(self) -> bool:
        return not (self.counts[Standing.STUCK] or self.counts[Standing.CONTRADICTION])


def audit(connection: PsycopgConnection, graph: Choreography) -> ChoreographyAudit:
    """Reads in a transaction of its own, which it ends. The connection must not be in one."""
    if graph.readers is None:
        raise BadPlan("the choreography has no readers, so no subject can be looked at; declare `readers` in the plan")
    with connection.transaction():
        connection.execute(ONE_SNAPSHOT)
        verdicts = list(_verdicts(connection, graph, graph.readers))
        findings = worst_first(verdicts)
        explained = _explained(connection, graph.readers, findings)
    counts = Counter(one.standing for one in verdicts)
    took_s: dict[Standing, list[float]] = defaultdict(list)
    for one in verdicts:
        if one.took_s is not None:
            took_s[one.standing].append(one.took_s)
    late = sum(one.late for one in verdicts)
    return ChoreographyAudit({standing: counts[standing] for standing in Standing}, late, explained, took_s)


def _verdicts(connection: PsycopgConnection, graph: Choreography, readers: Readers) -> Iterator[SubjectVerdict]:
    orders = {order.subject_ref: order for order in readers.orders(connection)}
    parked: dict[str, dict[str, str]] = defaultdict(dict)
    for one in readers.parked(connection):
        parked[one.subject_ref][one.step] = one.text
    now = connection.execute(NOW).fetchall()[0][0]
    for seen in readers.seen(connection):
        order = orders.pop(seen.subject_ref, None)
        yield judge(graph, seen, order, parked.get(seen.subject_ref, {}), now)
    for subject_ref, order in orders.items():
        yield judge(graph, Seen(subject_ref, {}), order, parked.get(subject_ref, {}), now)


def _explained(
    connection: PsycopgConnection, readers: Readers, findings: Sequence[SubjectVerdict]
) -> Sequence[SubjectVerdict]:
    """With what the contexts can say about the worst of them."""
    remarks: dict[str, list[str]] = defaultdict(list)
    for one in readers.remarks(connection, [finding.subject_ref for finding in findings[:MOST_REMARKS]]):
        remarks[one.subject_ref].append(f"{one.step}: {one.text}")
    return [
        replace(finding, said="; ".join([*filter(None, [finding.said]), *remarks[finding.subject_ref]]))
        for finding in findings
    ]
