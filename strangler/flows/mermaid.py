"""The topology as a Mermaid drawing: topics are cylinders, contexts are coloured by service class."""

from __future__ import annotations

from collections.abc import Iterator

from outbox.policy import ServiceClass
from strangler.flows.topology import LaneKind, Member, Topology

COLOURS = {ServiceClass.CRITICAL: "#f8d7da", ServiceClass.STANDARD: "#fff3cd", ServiceClass.BULK: "#d1e7dd"}


def mermaid(topology: Topology) -> list[str]:
    """Lines of a flowchart; paste them into any Markdown page that draws Mermaid."""
    return list(_lines(topology))


def _lines(topology: Topology) -> Iterator[str]:
    yield "flowchart LR"
    legacy = f"<br/>in the request: {', '.join(topology.legacy)}" if topology.legacy else ""
    yield f'  application["application{legacy}"]'
    for topic in topology.topics:
        yield f'  topic_{topic.name}[("{topic.name}<br/>{topic.partitions} partitions")]:::{topic.service_class}'
        if topic.written_by == "application":
            yield f"  application --> topic_{topic.name}"
    for member in topology.members:
        yield from _context(member)
    for service_class, colour in COLOURS.items():
        yield f"  classDef {service_class} fill:{colour},stroke:#555,color:#111"


def _context(member: Member) -> Iterator[str]:
    yield f'  subgraph pool_{member.name}["pool {member.pool}, group {member.group}"]'
    yield f'    {member.name}["{member.name}"]:::{member.service_class}'
    for lane in member.lanes:
        if lane.kind is LaneKind.WORK:
            yield f'    work_{member.name}[/"{lane.name}"/]'
        elif lane.kind is LaneKind.QUARANTINE:
            yield f'    quarantine_{member.name}{{{{"{lane.name}"}}}}'
    yield "  end"
    yield f"  {member.name} --> work_{member.name}"
    yield f"  {member.name} -.-> quarantine_{member.name}"
    for topic in member.reads:
        yield f"  topic_{topic} --> {member.name}"
    for topic in member.writes:
        yield f"  {member.name} --> topic_{topic}"
