"""`strangler choreography`: the declared graph of a subject's events, and the proof that every subject ends."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from outbox.written import destination, write_whole
from strangler.choreography import BrokenRule, Choreography, ChoreographyAudit, Standing, SubjectVerdict, audit, prove
from strangler.choreography.audit_metrics import counters_of
from strangler.choreography.drawing import lines, mermaid
from strangler.cli.common import Invocation
from strangler.errors import BadInput
from strangler.plan import Plan
from strangler.step.intents import Json

EPILOG = "exit: 0 proved, 1 a rule is broken or a subject is stuck, 2 usage, 3 a dependency is down"
SHOWN = 20


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    what = "how a subject's events lead to its end, and the proof that every subject gets there"
    verbs = subparsers.add_parser("choreography", help=what, description=what, epilog=EPILOG).add_subparsers(
        required=True, metavar="VERB", dest="choreography_verb"
    )
    shower = verbs.add_parser("show", help="the declared graph: events, who reacts, deadlines, ends")
    shower.add_argument("--mermaid", action="store_true", help="as a Mermaid flowchart")
    shower.set_defaults(run=show)
    checker = verbs.add_parser(
        "check", help="prove the graph, then from the data that every subject ended or is in time", epilog=EPILOG
    )
    checker.add_argument("--graph-only", action="store_true", help="prove the graph, ask no database")
    checker.add_argument(
        "--metrics",
        type=destination,
        metavar="FILE",
        help="write how long subjects take, for the node exporter",
    )
    checker.set_defaults(run=check)


def show(invocation: Invocation) -> int:
    plan = invocation.plan()
    graph = _declared(plan)
    drawn = mermaid(graph) if invocation.args.mermaid else [plan.subject.words(line) for line in lines(graph)]
    invocation.emit(asdict(replace(graph, readers=None)), drawn)
    return 0


def check(invocation: Invocation) -> int:
    """A graph that breaks a rule is no measure for the data, so that is asked only of one that holds."""
    if invocation.args.graph_only and invocation.args.metrics is not None:
        raise BadInput("--metrics tells of subjects, and --graph-only looks at none; give one of them")
    plan = invocation.plan()
    graph = _declared(plan)
    steps = {step.name: step.context.topics if step.context else None for step in plan.steps}
    problems = prove(graph, topics=plan.topics, steps=steps)
    found: ChoreographyAudit | None = None
    if not problems and not invocation.args.graph_only:
        with invocation.connect() as connection:
            found = audit(connection, graph)
    if invocation.args.metrics is not None:
        _tell(invocation, plan, found)
    said = [*_graph_lines(graph, problems), *_audit_lines(found)]
    invocation.emit(_data(problems, found), [plan.subject.words(line) for line in said])
    return 1 if problems or (found is not None and not found.proved) else 0


def _tell(invocation: Invocation, plan: Plan, found: ChoreographyAudit | None) -> None:
    if found is None:
        invocation.talk(f"{invocation.args.metrics} is left as it was: the subjects were not looked at")
        return
    page = counters_of(found, plan.subject.name, time.time()).page()
    write_whole(invocation.args.metrics, page.encode())


def _declared(plan: Plan) -> Choreography:
    if plan.choreography is None:
        raise BadInput(f"plan {plan.name!r} declares no choreography; give it `choreography=Choreography(...)`")
    return plan.choreography


def _data(problems: Sequence[BrokenRule], found: ChoreographyAudit | None) -> Json:
    data: dict[str, Json] = {"graph": {"proved": not problems, "problems": [asdict(one) for one in problems]}}
    if found is not None:
        data["subjects"] = {
            "proved": found.proved,
            "counts": {standing.value: count for standing, count in found.counts.items()},
            "late": found.late,
            "findings": [asdict(one) for one in found.findings],
        }
    return data


def _graph_lines(graph: Choreography, problems: Sequence[BrokenRule]) -> Sequence[str]:
    if problems:
        return [f"the graph breaks {len(problems)} rules; the subjects were not looked at", *map(str, problems)]
    never = "".join(f"; {promise.broken!r} has no path" for promise in graph.promises)
    return [f"proved from the graph: every path of {len(graph.events)} events ends within {graph.within_s:g} s{never}"]


def _audit_lines(found: ChoreographyAudit | None) -> Sequence[str]:
    if found is None:
        return []
    counts = ", ".join(
        f"{count} {standing.value.replace('_', ' ')}" for standing, count in found.counts.items() if count
    )
    total = sum(found.counts.values())
    said = "proved from the data" if found.proved else "NOT proved"
    late = f", {found.late} of them ended late" if found.late else ""
    more = len(found.findings) - SHOWN
    return [
        f"{said}: {total} subjects: {counts or 'none'}{late}",
        *map(_finding_line, found.findings[:SHOWN]),
        *([f"... and {more} more; --json has them all"] if more > 0 else []),
    ]


def _finding_line(one: SubjectVerdict) -> str:
    what = "ended late" if one.late else one.standing.value
    next_step = "; see `strangler quarantine`" if one.standing is Standing.QUARANTINED else ""
    return f"  {what} {one.subject_ref}: {one.said}{next_step}"
