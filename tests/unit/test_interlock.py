"""A flow may shed only while its reconciliation is green and its rebuild exists; every "no" says what to do."""

from dataclasses import replace

import pytest

from outbox.policy import Expired, OverBudget, Policy, Retry
from strangler.errors import Refused
from strangler.flows.interlock import Permitted, ReconciledEvidence, may_shed, rebuild_exists
from tests.unit.policies import BULK, LOSSY, STANDARD

GREEN = ReconciledEvidence(age_s=10.0, unknown=0, findings=0, matches=40)


def test_a_lossy_flow_sheds_by_its_clauses_while_all_is_green() -> None:
    assert may_shed(LOSSY, GREEN, rebuildable=True) == Permitted(
        ("policy:advice.sampling.keep=0.1", "policy:advice.expired=drop")
    )


@pytest.mark.parametrize(
    ("evidence", "reason", "next_step"),
    [
        (None, "could not be asked", "STRANGLER_DSN"),
        (replace(GREEN, age_s=None), "compared nothing yet", "strangler reconcile --step advice"),
        (replace(GREEN, matches=0), "compared nothing yet", "strangler reconcile --step advice"),
        (replace(GREEN, findings=2), "has 2 finding", "strangler reconcile --all --step advice"),
        (replace(GREEN, unknown=3), "could not judge 3", "strangler reconcile --step advice"),
        (replace(GREEN, age_s=3_601.0), "3601 s old", "strangler reconcile --step advice"),
    ],
)
def test_without_a_fresh_green_reconciliation_it_is_refused(
    evidence: ReconciledEvidence | None, reason: str, next_step: str
) -> None:
    answer = may_shed(LOSSY, evidence, rebuildable=True)

    assert isinstance(answer, Refused)
    assert reason in answer.reason
    assert next_step in answer.next_step


def test_without_a_rebuild_it_is_refused_however_green() -> None:
    undeclared = may_shed(replace(LOSSY, rebuild=()), GREEN, rebuildable=False)
    absent = may_shed(LOSSY, GREEN, rebuildable=False)
    once = may_shed(replace(LOSSY, replayable=False), GREEN, rebuildable=True)

    assert isinstance(undeclared, Refused)
    assert "no rebuild is declared" in undeclared.reason
    assert isinstance(absent, Refused)
    assert "'strangler rebuild advice' does not exist" in absent.reason
    assert isinstance(once, Refused)
    assert "cannot be replayed" in once.reason


@pytest.mark.parametrize(
    "policy", [STANDARD, BULK, replace(BULK, expired=Expired.DROP)], ids=lambda policy: policy.loss
)
def test_a_flow_that_is_not_lossy_never_sheds(policy: Policy) -> None:
    answer = may_shed(policy, GREEN, rebuildable=True)

    assert isinstance(answer, Refused)
    assert policy.clause("loss") in answer.reason


def test_every_way_to_lose_has_its_clause() -> None:
    policy = replace(LOSSY, retry=Retry(over_budget=OverBudget.DROP))

    assert policy.shedding() == (
        "policy:advice.sampling.keep=0.1",
        "policy:advice.expired=drop",
        "policy:advice.retry.over_budget=drop",
    )
    assert replace(LOSSY, sampling=None, expired=Expired.RUN).shedding() == ()


def test_a_rebuild_exists_when_its_module_is_there() -> None:
    assert rebuild_exists(("strangler", "rebuild"))
    assert not rebuild_exists(("no_such_module_anywhere",))
    assert not rebuild_exists(())


@pytest.mark.parametrize("command", [("no_such_package.rebuild",), ("..",), ("",), ()])
def test_a_rebuild_that_cannot_be_found_is_none(command: tuple[str, ...]) -> None:
    assert not rebuild_exists(command)
