"""`strangler policy`: what each context promises under pressure, and whether it contradicts itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import assert_never

from outbox.consumer.give_way import GIVE_WAY_AT
from outbox.policy import Placed, Policy
from outbox.policy.page import MEANING, page, rules
from strangler.cli.common import Invocation, columns
from strangler.errors import Refused
from strangler.flows.interlock import Permitted, ask, may_shed, rebuild_exists
from strangler.flows.mode_changes import ModeChange, mode_changes
from strangler.flows.places import judge
from strangler.service.retry_questions import lines_of, retries_of

EPILOG = "exit: 0 fine, 1 contradictions, 2 usage, 3 the database is down"
COLUMNS: Mapping[str, str] = {
    "flow": "flow",
    "class": "service_class",
    "loss": "loss",
    "given up": "degrade_order",
    "deadline_s": "deadline_s",
    "expired": "expired",
    "order within": "ordering_scope",
    "limited by": "throttling_unit",
    "queue": "queue_bound",
    "attempts": "retry.attempts",
    "duplicates": "duplicate_impact",
}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("policy", help="what each context promises and gives up under pressure")
    verbs = parser.add_subparsers(title="verbs", dest="policy_verb", required=True, metavar="VERB")
    show = verbs.add_parser("show", help="the policies as a table, or every term of one")
    show.add_argument("step", nargs="?", metavar="STEP", help="a context of the plan (default: all)")
    show.set_defaults(run=run_show)
    check = verbs.add_parser("check", help="every contradiction, who may shed, what retries lack", epilog=EPILOG)
    check.set_defaults(run=run_check)
    explain = verbs.add_parser(
        "explain", help="every term, every rule, and what each mode of the plan changes, as Markdown"
    )
    explain.set_defaults(run=run_explain)


def run_show(invocation: Invocation) -> int:
    judged = judge(invocation.plan())
    chosen = [judged.one(invocation.args.step)] if invocation.args.step else judged.placed
    lines = (
        _terms(chosen[0])
        if invocation.args.step
        else columns([tuple(COLUMNS), *(_cells(place.policy) for place in chosen)])
    )
    invocation.emit({"policies": [{**asdict(place.policy), "replay": place.policy.replay} for place in chosen]}, lines)
    return 0


def run_check(invocation: Invocation) -> int:
    """Exit 1 when something contradicts; a closed interlock is no contradiction, nor is what a retry lacks.

    Asks the database that is named.
    """
    plan = invocation.plan()
    judged = judge(plan)
    retries = retries_of(plan, judged.placed)
    ways = [(one, other) for one in judged.placed for other in judged.placed if one.gives_way_to(other)]
    states = {place.name: state for place, state in _interlocks(invocation, judged.placed)}
    data = {
        "policies": len(judged.placed),
        "contradictions": [asdict(found) for found in judged.contradictions],
        "interlock": {
            name: {"may_shed": isinstance(state, Permitted), **asdict(state)} for name, state in states.items()
        },
        "gives_way": [{"context": one.name, "to": other.name} for one, other in ways],
        "retries": [{**asdict(one), "missing": one.missing} for one in retries],
    }
    said = [*_verdict(len(judged.placed), judged.contradictions), *_spoken(states), *_given_way(ways)]
    said += lines_of(retries)
    invocation.emit(data, said)
    return 1 if judged.contradictions else 0


def run_explain(invocation: Invocation) -> int:
    """The terms and the rules need no plan; where there is one, what its modes change is said, too."""
    plan = invocation.plan() if invocation.settings.plan.is_file() else None
    placed = [] if plan is None else judge(plan).placed
    changes = {} if plan is None else {one.name: mode_changes(plan.admission, placed, one) for one in plan.modes}
    data = {name: [asdict(each) for each in found] for name, found in changes.items()}
    invocation.emit({"terms": dict(MEANING), "rules": rules(), "modes": data}, [*page(), *_modes(changes)])
    return 0


def _modes(changes: Mapping[str, Sequence[ModeChange]]) -> list[str]:
    rows = [
        f"| `{name}` | {each.where} | `{each.term}` | {each.usually} | {each.meanwhile} |"
        for name, found in changes.items()
        for each in found
    ]
    return ["", "| Mode | Where | Term | Usually | Meanwhile |", "|---|---|---|---|---|", *rows] if rows else []


def _cells(policy: Policy) -> tuple[str, ...]:
    terms = policy.terms()
    return tuple("never" if terms[name] is None else str(terms[name]) for name in COLUMNS.values())


def _terms(place: Placed) -> list[str]:
    runs = f"group {place.group}, pool {place.pool}, reads {', '.join(place.reads)}"
    return [*place.policy.describe().splitlines(), f"replay: {place.policy.replay}", f"runs: {runs}"]


def _interlocks(invocation: Invocation, placed: Sequence[Placed]) -> Iterable[tuple[Placed, Permitted | Refused]]:
    shedding = [place for place in placed if place.policy.shedding()]
    if not shedding:
        return
    if invocation.settings.dsn is None:
        for place in shedding:
            yield place, may_shed(place.policy, None, rebuildable=rebuild_exists(place.policy.rebuild))
        return
    with invocation.connect() as connection:
        for place in shedding:
            yield place, ask(connection, place.policy)


def _given_way(ways: Iterable[tuple[Placed, Placed]]) -> Iterable[str]:
    for one, other in ways:
        waits_s, floor = GIVE_WAY_AT * other.policy.deadline_s, one.policy.floor_per_s
        yield f"{one.name} gives way to {other.name} when that waits {waits_s:g} s: takes {floor:g} a second"


def _verdict(policies: int, contradictions: Sequence[object]) -> list[str]:
    if not contradictions:
        return [f"{policies} policies, no contradiction"]
    return [f"{policies} policies, {len(contradictions)} contradiction(s):", *(f"  - {one}" for one in contradictions)]


def _spoken(states: Mapping[str, Permitted | Refused]) -> Iterable[str]:
    for name, state in states.items():
        match state:
            case Permitted(clauses):
                yield f"{name} may shed: {', '.join(clauses)}"
            case Refused(reason, next_step):
                yield f"{name} may not shed: {reason}; {next_step}"
            case _:
                assert_never(state)
