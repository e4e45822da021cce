"""The topology as an AsyncAPI 3 document with Kafka bindings; each context's policy travels as `x-flow-policy`."""

from __future__ import annotations

import re
from dataclasses import asdict

from outbox.policy import Policy
from strangler.flows.topology import Member, Topic, Topology
from strangler.step.intents import Json

POLICY = "x-flow-policy"
KAFKA_BINDING = "0.5.0"


def asyncapi(
    topology: Topology, *, bootstrap: str, topic_prefix: str, group_prefix: str = "", mark: str | None = None
) -> dict[str, Json]:
    """A document of plain data. `bootstrap`: the first address is the server's; operations are receive and send.

    A group's name at the broker ends with the installation's `mark`; without it the document says so by a pattern.
    """
    policies = {place.name: place.policy for place in topology.placed}
    groups = {member.name: _group_id(group_prefix + member.group, mark) for member in topology.members}
    operations: dict[str, Json] = {}
    for member in topology.members:
        for topic in member.reads:
            operations[f"{member.name}_receives_{topic}"] = _receive(
                member, topic, policies[member.name], groups[member.name]
            )
        for topic in member.writes:
            operations[f"{member.name}_sends_{topic}"] = {"action": "send", "channel": _channel_ref(topic)}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": topology.plan, "version": "1.0.0", "x-legacy-steps": list(topology.legacy)},
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": bootstrap.partition(",")[0], "protocol": "kafka"}},
        "channels": {topic.name: _channel(topic, topic_prefix) for topic in topology.topics},
        "operations": operations,
    }


def _channel(topic: Topic, prefix: str) -> dict[str, Json]:
    return {
        "address": prefix + topic.name,
        "messages": {"event": {"name": "event", "bindings": {"kafka": _key()}}},
        "bindings": {
            "kafka": {
                "topic": prefix + topic.name,
                "partitions": topic.partitions,
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-domain": topic.domain,
        "x-service-class": topic.service_class.value,
        "x-written-by": topic.written_by,
    }


def _key() -> dict[str, Json]:
    return {"key": {"type": "string", "description": "the aggregate's id"}, "bindingVersion": KAFKA_BINDING}


def _receive(member: Member, topic: str, policy: Policy, group_id: Json) -> dict[str, Json]:
    return {
        "action": "receive",
        "channel": _channel_ref(topic),
        "bindings": {
            "kafka": {
                "groupId": group_id,
                "clientId": {"type": "string", "enum": [member.name]},
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "x-lanes": [{"kind": lane.kind.value, "name": lane.name, "bound": lane.bound} for lane in member.lanes],
        POLICY: asdict(policy),
    }


def _group_id(group: str, mark: str | None) -> dict[str, Json]:
    if mark is None:
        return {"type": "string", "pattern": rf"^{re.escape(group)}\.[0-9a-f]{{8}}$"}
    return {"type": "string", "enum": [f"{group}.{mark}"]}


def _channel_ref(topic: str) -> dict[str, Json]:
    return {"$ref": f"#/channels/{topic}"}
