"""The topology names every context's four lanes, and draws and writes them without inventing anything."""

import json
import re
from dataclasses import asdict, replace

import pytest

from legacy_app.plan.plan import plan as sample
from outbox.policy import ServiceClass
from strangler.flows.asyncapi import POLICY, asyncapi
from strangler.flows.mermaid import mermaid
from strangler.flows.places import judge
from strangler.flows.topology import LaneKind, Topology, topology_lines, topology_of
from strangler.step.intents import Json
from tests.unit.flows_plan import MAILS, PAYMENT, context, taking_over

CHAIN = taking_over(
    "payment", context("payment", PAYMENT), mails=context("mails_schema", MAILS, reads=("order", "payment"))
)


@pytest.fixture(params=["chain", "sample"])
def topology(request: pytest.FixtureRequest) -> Topology:
    return topology_of(CHAIN if request.param == "chain" else sample)


def document(topology: Topology) -> Json:
    made = asyncapi(
        topology, bootstrap="broker:9092,other:9092", topic_prefix="outbox.event.", group_prefix="t.", mark="7f05e390"
    )
    return json.loads(json.dumps(made))


def test_every_context_has_all_four_kinds_of_lane(topology: Topology) -> None:
    for member in topology.members:
        assert {lane.kind for lane in member.lanes} == set(LaneKind)
        assert len({lane.name for lane in member.lanes}) == len(member.lanes)
        assert all(lane.bound for lane in member.lanes)


def test_no_lane_serves_two_contexts_except_the_log_that_both_read(topology: Topology) -> None:
    own = [lane.name for member in topology.members for lane in member.lanes if lane.kind is not LaneKind.LOG]

    assert len(set(own)) == len(own)
    assert len({member.group for member in topology.members}) == len(topology.members)


def test_a_topic_has_its_domain_and_its_writers_class() -> None:
    order, payment = topology_of(CHAIN).topics

    assert (order.domain, order.service_class, order.written_by) == ("order", ServiceClass.CRITICAL, "application")
    assert (order.read_by, order.partitions) == (("payment", "mails"), 4)
    assert (payment.written_by, payment.service_class, payment.read_by) == (
        "payment",
        ServiceClass.CRITICAL,
        ("mails",),
    )


def test_all_is_said_to_a_person(topology: Topology) -> None:
    said = "\n".join(topology_lines(topology))

    for member in topology.members:
        assert f"{member.name}  {member.service_class}, group {member.group}" in said
        assert all(f"{lane.kind}: {lane.name}" in said for lane in member.lanes)
    assert all(f"topic {topic.name}  domain {topic.domain}, {topic.service_class}" in said for topic in topology.topics)
    assert json.dumps(topology.to_json())


def test_the_drawing_joins_only_what_it_declares(topology: Topology) -> None:
    lines = mermaid(topology)
    declared = {found[1] for line in lines if (found := re.match(r"\s*(\w+)(?=\[|\{\{)", line))}
    joined = {
        name for line in lines if (found := re.match(r"\s*(\w+) -[-.]+> (\w+)$", line)) for name in found.groups()
    }

    assert lines[0] == "flowchart LR"
    assert joined <= declared
    assert {f"topic_{topic.name}" for topic in topology.topics} <= declared
    assert {member.name for member in topology.members} <= joined
    assert sum(line.strip().startswith("subgraph") for line in lines) == sum(line.strip() == "end" for line in lines)


def test_the_asyncapi_document_carries_every_term_of_every_policy(topology: Topology) -> None:
    operations = json.loads(json.dumps(document(topology)))["operations"]
    carried = [one[POLICY] for one in operations.values() if POLICY in one]

    for place in topology.placed:
        assert json.loads(json.dumps(asdict(place.policy))) in carried


def test_the_document_has_the_shape_of_asyncapi_3_with_kafka_bindings(topology: Topology) -> None:
    made = document(topology)

    assert made["asyncapi"] == "3.0.0"
    assert set(made) == {"asyncapi", "info", "defaultContentType", "servers", "channels", "operations"}
    assert {"title", "version"} <= set(made["info"])
    assert made["servers"] == {"kafka": {"host": "broker:9092", "protocol": "kafka"}}
    for topic in topology.topics:
        channel = made["channels"][topic.name]
        assert channel["address"] == channel["bindings"]["kafka"]["topic"] == f"outbox.event.{topic.name}"
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions >= 1
        assert channel["x-service-class"] == topic.service_class
    for operation in made["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in made["channels"]


def test_each_context_receives_by_its_own_group(topology: Topology) -> None:
    made = document(topology)

    for member in topology.members:
        for topic in member.reads:
            binding = made["operations"][f"{member.name}_receives_{topic}"]["bindings"]["kafka"]
            assert binding["groupId"] == {"type": "string", "enum": [f"t.{member.group}.7f05e390"]}


def test_a_context_without_a_policy_is_left_out_and_named_by_the_check() -> None:
    plan = replace(CHAIN, projections={**CHAIN.projections, "nobody": context("nobody", None)})

    assert [member.name for member in topology_of(plan).members] == ["payment", "mails"]
    assert [found.flows for found in judge(plan).contradictions] == [("nobody",)]


def test_without_an_installation_a_group_has_a_mark_that_is_open(topology: Topology) -> None:
    made = asyncapi(topology, bootstrap="broker:9092", topic_prefix="outbox.event.")
    for operation in made["operations"].values():
        if operation["action"] == "receive":
            pattern = operation["bindings"]["kafka"]["groupId"]["pattern"]
            assert re.fullmatch(pattern, pattern.split(r"\.")[0].lstrip("^") + ".7f05e390")
