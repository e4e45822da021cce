"""Where one subject stands in the graph, from the events that it has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from strangler.choreography.graph import Choreography, Final, OrderState, Reaction, Seen


class Standing(StrEnum):
    """`under_way`: within every deadline. `stuck`: a step is overdue. `contradiction`: the data denies the graph."""

    DONE = "done"
    COMPENSATED = "compensated"
    QUARANTINED = "quarantined"
    UNDER_WAY = "under_way"
    STUCK = "stuck"
    CONTRADICTION = "contradiction"


@dataclass(frozen=True, slots=True)
class SubjectVerdict:
    """`step`: for whom the subject waits, or where it is parked. `late`: it ended, but after its deadline.

    `took_s`: from its first event to its end, where it has both and was not started again.
    """

    subject_ref: str
    standing: Standing
    step: str | None = None
    said: str = ""
    late: bool = False
    took_s: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Open:
    """A reaction that nothing has followed yet."""

    reaction: Reaction
    since: datetime

    @property
    def due_at(self) -> datetime:
        return self.since + timedelta(seconds=self.reaction.within_s)


def judge(
    graph: Choreography, seen: Seen, order: OrderState | None, parked: Mapping[str, str], now: datetime
) -> SubjectVerdict:
    """`order` None: the application has no such subject; `parked`: why, by step.

    `now` is of the database, read in the snapshot that all of this was read in.
    """
    denied = _contradiction(graph, order, seen.events)
    if denied is not None:
        return SubjectVerdict(seen.subject_ref, Standing.CONTRADICTION, said=denied)
    still_open = sorted(_open(graph, seen.events), key=lambda one: one.due_at)
    if not still_open:
        return _ended(graph, seen, order)
    for one in still_open:
        step = one.reaction.step
        if step in parked:
            return SubjectVerdict(seen.subject_ref, Standing.QUARANTINED, step, f"{step} has parked it: {parked[step]}")
    first = still_open[0]
    reaction, waited_s = first.reaction, (now - first.since).total_seconds()
    said = f"waits for {reaction.step} since {reaction.on}, {waited_s:.0f} s of {reaction.within_s:g} s"
    standing = Standing.STUCK if now > first.due_at else Standing.UNDER_WAY
    return SubjectVerdict(seen.subject_ref, standing, reaction.step, said)


def _ended(graph: Choreography, seen: Seen, order: OrderState | None) -> SubjectVerdict:
    final = next(iter(_finals(graph, seen.events).values()), order.final if order is not None else None)
    if final is None:
        return SubjectVerdict(
            seen.subject_ref, Standing.STUCK, said="it has begun, and no event of it says what comes next"
        )
    took_s = _took_s(graph, seen.events)
    late = took_s is not None and took_s > graph.within_s
    return SubjectVerdict(seen.subject_ref, Standing(final.value), late=late, took_s=took_s)


def _finals(graph: Choreography, events: Mapping[str, datetime]) -> Mapping[str, Final]:
    return {event.type: event.final for event in graph.events if event.type in events and event.final is not None}


def _contradiction(graph: Choreography, order: OrderState | None, events: Mapping[str, datetime]) -> str | None:
    finals = _finals(graph, events)
    if len(set(finals.values())) > 1:
        return f"it has ended twice: {', '.join(finals)}"
    if order is None:
        broken = [f"({one.broken!r})" for one in graph.promises if one.after in events]
        return " ".join(["it has events, and there is no such subject", *broken])
    if not events:
        return "it is under way, and no event has told anybody" if order.final is None else None
    told = next(iter(finals.values()), None)
    if order.final is not told:
        return f"the subject is {order.final or 'under way'}, its events say {told or 'under way'}"
    return None


def _open(graph: Choreography, events: Mapping[str, datetime]) -> Iterator[Open]:
    for reaction in graph.reactions:
        if (
            reaction.leads_to
            and reaction.on in events
            and set(reaction.only_after) <= set(events)
            and not set(reaction.leads_to) & set(events)
        ):
            yield Open(reaction, events[reaction.on])


def _took_s(graph: Choreography, events: Mapping[str, datetime]) -> float | None:
    """From the first event of a subject to its last; cancellations, which start again, have no say."""
    begun = [at for type_, at in events.items() if type_ == graph.starts[0]]
    ends = [events[type_] for type_ in _finals(graph, events)]
    begins_again = set(graph.starts[1:]) & set(events)
    return (max(ends) - begun[0]).total_seconds() if begun and ends and not begins_again else None


def worst_first(verdicts: Sequence[SubjectVerdict]) -> Sequence[SubjectVerdict]:
    """For people: what needs them comes first."""
    need = (Standing.CONTRADICTION, Standing.STUCK, Standing.QUARANTINED)
    return sorted(
        (one for one in verdicts if one.standing in need or one.late),
        key=lambda one: (need.index(one.standing) if one.standing in need else len(need), one.subject_ref),
    )
