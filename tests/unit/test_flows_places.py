"""The policies of a plan are placed, and judged together."""

import subprocess
import sys

import pytest

from legacy_app.plan.plan import plan as sample
from outbox.policy import Placed, contradictions_among
from strangler.errors import BadPlan
from strangler.flows.places import judge
from tests.support.services import SERVICES
from tests.unit.flows_plan import PAYMENT, context, plan, plan_of, taking_over


def test_loading_the_plan_of_the_monolith_loads_no_new_service() -> None:
    look = "import sys, legacy_app.plan; sys.exit(any(name.startswith('new_services') for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", look], timeout=90, check=False).returncode == 0


def test_every_context_of_the_sample_declares_a_policy_and_nothing_contradicts() -> None:
    judged = judge(sample)

    assert [str(found) for found in judged.contradictions] == []
    assert [place.name for place in judged.placed] == list(sample.contexts())


def test_all_services_of_the_sample_may_run_beside_each_other() -> None:
    placed = [
        Placed(
            name,
            one.policy,
            name,
            name,
            one.context("order").topics,
            writes=(name,) if one.decide else (),
            partitions=4 * len(one.context("order").topics),
        )
        for name, one in SERVICES.items()
    ]

    assert [str(found) for found in contradictions_among(placed)] == []
    assert {place.name for place in placed if place.policy.critical} == {"fraud", "inventory", "payment"}


def test_places_come_from_the_plan() -> None:
    placed = judge(taking_over("payment", context("payment_schema", PAYMENT, reads=("order", "fraud")))).one("payment")

    assert (placed.group, placed.pool) == ("payment_schema", "payment_schema")
    assert (placed.reads, placed.writes) == (("order", "fraud"), ("payment",))
    assert placed.partitions == 5


def test_a_projection_writes_no_topic_though_it_may_have_its_name() -> None:
    assert judge(plan_of(payment=context("payment", PAYMENT))).one("payment").writes == ()


def test_a_plan_that_contradicts_itself_is_told_everything_at_once() -> None:
    found = {(one.rule, one.flows) for one in judge(plan).contradictions}

    assert found == {
        ("undeclared", ("nobody",)),
        ("other_name", ("payment_flow",)),
        ("shared_pool", ("payment_flow", "mails")),
    }


def test_a_projection_may_not_have_the_name_of_a_step() -> None:
    with pytest.raises(BadPlan, match="projection 'pricing' has the name of a step"):
        plan_of(pricing=context("other", None))


def test_an_unknown_context_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(BadPlan, match=r"no context 'letters'.*payment_flow, mails, advice"):
        judge(plan).one("letters")
