"""The graph for people: a line per reaction, or a Mermaid flowchart. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from strangler.choreography.graph import Choreography, Event, Final, Reaction


def lines(graph: Choreography) -> Iterator[str]:
    """As text, in the order of the declaration."""
    yield f"every subject ends within {graph.within_s:g} s; it begins with {' or '.join(graph.starts)}"
    for event in graph.events:
        yield _event_line(event)
        for one in graph.reactions:
            if one.on == event.type:
                yield f"    {_reaction(one)}"
    for promise in graph.promises:
        yield f"never: {promise.broken} ({promise.after} without {' or '.join(promise.either)})"


def mermaid(graph: Choreography) -> Iterator[str]:
    """A flowchart; final events are rounded, steps that only act stand in their own shape."""
    yield "flowchart LR"
    for event in graph.events:
        opening, closing = ("([", "])") if event.final is not None else ("[", "]")
        ends = f"<br/><b>{event.final}</b>" if event.final is not None else ""
        yield f'    {event.type}{opening}"{event.type}<br/><i>{event.topic}</i>{ends}"{closing}'
    for one in graph.reactions:
        label = f"{one.step}, {one.within_s:g} s" + (
            f", only after {', '.join(one.only_after)}" if one.only_after else ""
        )
        for follower in one.leads_to:
            yield f'    {one.on} -- "{label}" --> {follower}'
        if not one.leads_to:
            yield f'    {one.on} -. "{label}" .-> {one.on}_{one.step}{{{{"{one.step} acts"}}}}'
    for final in (Final.DONE, Final.COMPENSATED):
        names = [event.type for event in graph.events if event.final is final]
        if names:
            yield f"    class {','.join(names)} {final}"
    yield "    classDef done fill:#dff5e1,stroke:#2e7d32"
    yield "    classDef compensated fill:#fdebd0,stroke:#b9770e"


def _event_line(event: Event) -> str:
    final = f" = {event.final}" if event.final is not None else ""
    acts = f"; {event.acts}" if event.acts else ""
    undone = f", undone by {event.undone_by}" if event.undone_by else ""
    return f"{event.type} ({event.topic}, by {', '.join(event.by)}){final}{acts}{undone}"


def _reaction(one: Reaction) -> str:
    after = f" if there was {' and '.join(one.only_after)}" if one.only_after else ""
    to = " or ".join(one.leads_to) or "acts, no event follows"
    return f"{one.step}{after}, within {one.within_s:g} s -> {to}; or parked in {one.parks_in}"
