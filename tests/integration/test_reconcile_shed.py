"""What was given up is not missing while the policy says so; whoever calls missing work shed is not believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from outbox.policy import Policy
from strangler.flows.interlock import read_evidence
from strangler.ownership import Owner
from strangler.plan import Plan, Step
from strangler.reconcile.reasons import given_up
from strangler.reconcile.report import Report
from strangler.reconcile.run import reconcile
from strangler.subject import Subject
from tests.integration.reconcile_plan import INDEXING, plan
from tests.integration.reconcile_town import Town, counted, found
from tests.unit.policies import BULK, LOSSY

CLAUSE = LOSSY.clause("sampling.keep")
GIVE_UP = "UPDATE search.claim SET kind = 'shed', clause = %s WHERE subject_ref = %s AND number = %s"
DELETE = "DELETE FROM search.document WHERE order_ref = %s"


def with_policy(policy: Policy | None) -> Plan:
    def declared(step: Step) -> Step:
        assert step.context is not None
        return replace(step, service=replace(step.context, policy=policy)) if step.name == INDEXING else step

    return replace(plan, steps=tuple(declared(step) for step in plan.steps))


@pytest.fixture
def town(bare_town: Town) -> Iterator[Town]:
    """Its context can give up."""
    with bare_town.caught_up():
        yield bare_town


def shed(town: Town, order_ref: str, clause: str = CLAUSE, *, number: int = 100) -> None:
    town.execute(GIVE_UP, clause, order_ref, number)
    town.execute(DELETE, order_ref)


def judged(town: Town, policy: Policy | None = LOSSY) -> Report:
    return reconcile(with_policy(policy), town.environ, everything=False, timeout_s=30.0)


def indexing(report: Report) -> Mapping[str, int]:
    return counted(report)[INDEXING]


def test_what_was_given_up_is_shed_until_a_replay_has_made_up_for_it(town: Town) -> None:
    for order_ref in ("done", "given-up", "changed"):
        town.place(order_ref, Owner.NEW)
        town.act(order_ref)
    town.place("changed", Owner.NEW, 2)
    town.act("changed", 2)
    shed(town, "given-up")
    town.execute(GIVE_UP, CLAUSE, "changed", 200)
    town.execute("UPDATE search.document SET version = 1 WHERE order_ref = 'changed'")

    report = judged(town)

    assert indexing(report) == {"match": 1, "shed": 2}
    assert found(report) == {(INDEXING, "given-up", 100, "shed"), (INDEXING, "changed", 200, "shed")}
    assert report.exit_code == 0
    lines = report.lines(Subject("order"))
    assert any(given_up(CLAUSE) in line and "2 effects SHED" in line for line in lines), lines
    with town.connect() as connection:
        evidence = read_evidence(connection, INDEXING)
    assert (evidence.findings, evidence.unknown) == (0, 0), "the interlock stays open"

    town.execute("UPDATE search.claim SET kind = 'applied' WHERE kind = 'shed'")
    town.execute(DELETE, "changed")
    for order_ref, version in (("given-up", 1), ("changed", 2)):
        town.index(order_ref, version)
    assert indexing(judged(town)) == {"match": 2}


@pytest.mark.parametrize(
    ("clause", "policy"),
    [
        ("policy:advice.queue_bound=1000", LOSSY),
        ("policy:search.sampling.keep=0.1", LOSSY),
        ("", LOSSY),
        (CLAUSE, BULK),
        (CLAUSE, None),
    ],
    ids=["no such loss", "another flow's", "none", "a policy that loses nothing", "no policy"],
)
def test_work_that_no_policy_allows_to_give_up_is_missing(town: Town, clause: str, policy: Policy | None) -> None:
    town.place("given-up", Owner.NEW)
    town.act("given-up")
    shed(town, "given-up", clause)

    report = judged(town, policy)

    assert indexing(report) == {"missing": 1}
    assert report.exit_code == 1


def test_a_policy_whose_share_has_changed_still_excuses_what_was_given_up_by_it(town: Town) -> None:
    town.place("given-up", Owner.NEW)
    town.act("given-up")
    shed(town, "given-up", "policy:advice.sampling.keep=0.9")

    assert indexing(judged(town)) == {"shed": 1}
