"""The topology of a plan: contexts, groups, topics by domain and service class, and four kinds of lane, never mixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from outbox.policy import Placed, ServiceClass
from strangler.flows.places import judge
from strangler.plan import Plan
from strangler.step.intents import Json


class LaneKind(StrEnum):
    """Where work can be. Each kind is lost, bounded and repaired in another way."""

    BUFFER = "operational buffer"  # memory: bounded, gone with the process, filled again from the log
    LOG = "durable log"  # a topic: ordered, kept for its retention, read again at will
    WORK = "work queue"  # rows: each done once, retried and deferred one by one
    QUARANTINE = "quarantine"  # rows: what a person must look at, with what waits behind it


@dataclass(frozen=True, slots=True)
class ContextLane:
    """One lane of a context: what it is called and what bounds it."""

    kind: LaneKind
    name: str
    bound: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A durable log. Its class is its writer's; where only the application writes, subjects begin: it is critical."""

    name: str
    domain: str
    service_class: ServiceClass
    partitions: int
    written_by: str
    read_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A context in its place: who it is, what it reads and writes, and its lanes of all four kinds."""

    name: str
    service_class: ServiceClass
    group: str
    pool: str
    schema: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    lanes: tuple[ContextLane, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """`legacy`: steps of the chain that nobody has taken over."""

    plan: str
    topics: Sequence[Topic]
    members: Sequence[Member]
    legacy: Sequence[str]
    placed: Sequence[Placed]

    def to_json(self) -> dict[str, Json]:
        return {
            "plan": self.plan,
            "topics": [asdict(topic) for topic in self.topics],
            "contexts": [asdict(member) for member in self.members],
            "legacy": list(self.legacy),
        }


def topology_of(plan: Plan) -> Topology:
    """From the plan and its policies alone; contexts without a policy are left out (`policy check` names them)."""
    placed = judge(plan).placed
    contexts = plan.contexts()
    return Topology(
        plan=plan.name,
        topics=[_topic(name, count, placed) for name, count in plan.topics.items()],
        members=[_member(place, contexts[place.name].schema, plan.topics) for place in placed],
        legacy=[step.name for step in plan.steps if step.service is None],
        placed=placed,
    )


def topology_lines(topology: Topology) -> list[str]:
    """For a person: topics first, then each context with its lanes."""
    lines = [f"{topology.plan}: {len(topology.members)} contexts, {len(topology.topics)} topics"]
    for topic in topology.topics:
        readers = ", ".join(topic.read_by) or "nobody"
        lines.append(
            f"topic {topic.name}  domain {topic.domain}, {topic.service_class}, {topic.partitions} partitions: "
            f"{topic.written_by} -> {readers}"
        )
    for member in topology.members:
        lines.append(f"{member.name}  {member.service_class}, group {member.group}, pool {member.pool}")
        lines += [f"  {lane.kind}: {lane.name} ({lane.bound})" for lane in member.lanes]
    lines += [f"{name}  in the request, legacy" for name in topology.legacy]
    return lines


def _topic(name: str, partitions: int, placed: Sequence[Placed]) -> Topic:
    writers = [place for place in placed if name in place.writes]
    service_class = writers[0].policy.service_class if writers else ServiceClass.CRITICAL
    readers = tuple(place.name for place in placed if name in place.reads)
    return Topic(name, name, service_class, partitions, writers[0].name if writers else "application", readers)


def _member(place: Placed, schema: str, topics: Mapping[str, int]) -> Member:
    policy = place.policy
    logs = [
        ContextLane(LaneKind.LOG, f"topic {name}", f"{topics.get(name, 1)} partitions, {place.retention_s:.0f} s kept")
        for name in place.reads
    ]
    lanes = (
        ContextLane(
            LaneKind.BUFFER,
            f"memory of {place.pool}",
            f"{policy.queue_bound} records or {policy.queue_bytes} bytes a partition: {policy.queue_reason}",
        ),
        *logs,
        ContextLane(
            LaneKind.WORK,
            f"table {schema}.effect",
            f"retries at most {policy.retry.budget_ratio:.0%} of deliveries, limited by {policy.throttling_unit}",
        ),
        ContextLane(
            LaneKind.QUARANTINE,
            f"table {schema}.quarantine",
            f"stops at {policy.quarantine.ratio:.0%} or {policy.quarantine.consecutive} in a row",
        ),
    )
    return Member(place.name, policy.service_class, place.group, place.pool, schema, place.reads, place.writes, lanes)
