"""Prove a declared choreography: every path ends, nothing is unheard, undone or late. Pure; all problems at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from strangler.choreography.graph import Choreography, Event, Final, Promise
from strangler.choreography.runs import EndlessError, Path, Run, TooManyRunsError, Visit, runs


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that the graph breaks, and where."""

    rule: str
    said: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.said}"


def prove(
    graph: Choreography, *, topics: Iterable[str], steps: Mapping[str, Sequence[str] | None]
) -> Sequence[BrokenRule]:
    """What is wrong with the graph; nothing means that it is proved.

    `topics` exist; `steps` of the plan with the topics that their new side reads, None while they have none.
    """
    problems = [*_names(graph), *_places(graph, set(topics), {**steps, **(graph.also_reads or {})}), *_times(graph)]
    if any(problem.rule in ("unknown_event", "declared_twice", "no_start") for problem in problems):
        return problems  # the runs of such a graph would mean nothing
    try:
        every = runs(graph)
    except EndlessError as endless:
        return [*problems, BrokenRule("endless", f"a path comes back to where it was: {endless}")]
    except TooManyRunsError as error:
        return [*problems, BrokenRule("too_many_runs", str(error))]
    found = [problem for run in every for problem in _in_run(graph, run)]
    return list(dict.fromkeys([*problems, *_unreached(graph, every), *found]))


def _names(graph: Choreography) -> Iterator[BrokenRule]:
    known = {event.type for event in graph.events}
    if not graph.starts:
        yield BrokenRule("no_start", "no event begins a subject; name it in `starts`")
    for type_, count in Counter(event.type for event in graph.events).items():
        if count > 1:
            yield BrokenRule("declared_twice", f"event {type_} is declared {count} times")
    for (on, step), count in Counter((one.on, one.step) for one in graph.reactions).items():
        if count > 1:
            yield BrokenRule("declared_twice", f"{step} reacts to {on} {count} times; give one reaction all outcomes")
    for where, type_ in _mentions(graph):
        if type_ not in known:
            yield BrokenRule("unknown_event", f"{where} names {type_!r}, which is no event of the graph")


def _mentions(graph: Choreography) -> Iterator[tuple[str, str]]:
    yield from (("`starts`", type_) for type_ in graph.starts)
    for event in graph.events:
        if event.undone_by:
            yield f"{event.type}.undone_by", event.undone_by
    for one in graph.reactions:
        yield from ((f"{one.step}'s reaction to {one.on}", type_) for type_ in (one.on, *one.leads_to, *one.only_after))
    for promise in graph.promises:
        yield from ((f"the promise against {promise.broken!r}", type_) for type_ in (promise.after, *promise.either))


def _places(graph: Choreography, topics: set[str], readers: Mapping[str, Sequence[str] | None]) -> Iterator[BrokenRule]:
    for event in graph.events:
        if event.topic not in topics:
            yield BrokenRule(
                "unknown_topic", f"{event.type} goes to topic {event.topic!r}, which the plan does not have"
            )
        if not event.by:
            yield BrokenRule("nobody_appends", f"nobody appends {event.type}")
        if event.final is Final.QUARANTINED:
            yield BrokenRule("bad_final", f"{event.type} ends as quarantined; that is said by `parks_in`, of no event")
        if event.final is None and not graph.reactions_on(event.type):
            yield BrokenRule("no_consumer", f"no step reacts to {event.type}, and it is not final")
    for one in graph.reactions:
        event_topic = next((event.topic for event in graph.events if event.type == one.on), None)
        if one.step not in readers:
            yield BrokenRule("no_consumer", f"{one.step} reacts to {one.on}, but is neither a step nor in `also_reads`")
        elif (reads := readers[one.step]) is not None and event_topic is not None and event_topic not in reads:
            yield BrokenRule("no_consumer", f"{one.step} reacts to {one.on}, but does not read topic {event_topic!r}")
        if not one.parks_in:
            yield BrokenRule("nowhere_to_park", f"{one.step} has no quarantine for a {one.on} that it cannot handle")
    yield from _appenders(graph)


def _appenders(graph: Choreography) -> Iterator[BrokenRule]:
    """Who leads to an event and who appends it must be the same."""
    for event in graph.events:
        leading = {one.step for one in graph.reactions if event.type in one.leads_to}
        for step in sorted(leading - set(event.by)):
            yield BrokenRule("nobody_appends", f"{step} leads to {event.type}, but is not among who appends it")
        if event.type not in graph.starts:
            for step in sorted(set(event.by) - leading):
                yield BrokenRule("nobody_appends", f"{step} appends {event.type}, but no reaction of it leads there")


def _times(graph: Choreography) -> Iterator[BrokenRule]:
    given = [(f"{one.step}'s on {one.on}", one.within_s) for one in graph.reactions]
    for whose, seconds in [("the subject's", graph.within_s), *given]:
        if not (math.isfinite(seconds) and seconds > 0):
            yield BrokenRule("no_deadline", f"{whose} deadline is {seconds} s; give seconds above 0")


def _unreached(graph: Choreography, every: Sequence[Run]) -> Iterator[BrokenRule]:
    reached = {visit.type for run in every for visit in run}
    for event in graph.events:
        if event.type not in reached:
            yield BrokenRule("unreachable", f"no path leads to {event.type}")


def _in_run(graph: Choreography, run: Run) -> Iterator[BrokenRule]:
    finals = {visit.type: final for visit in run if (final := _event(graph, visit).final) is not None}
    for visit in run:
        if visit.ends and _event(graph, visit).final is None:
            yield BrokenRule("unended", f"a path ends in no final state: {_told(visit.path)}")
        if visit.at_s > graph.within_s:
            yield BrokenRule(
                "deadlines_do_not_add_up",
                f"{_told(visit.path)} may take {visit.at_s:g} s, a subject {graph.within_s:g} s",
            )
    if len(set(finals.values())) > 1:
        yield BrokenRule("ends_twice", f"one subject may be both: {', '.join(f'{t} ({f})' for t, f in finals.items())}")
    for visit in run:
        yield from _undone(_event(graph, visit), visit, run, set(finals.values()))
    for promise in graph.promises:
        yield from _kept(promise, run)


def _undone(event: Event, visit: Visit, run: Run, ends: set[Final]) -> Iterator[BrokenRule]:
    if not event.acts:
        return
    back = [other for other in run if other.type == event.undone_by and visit.type in other.path]
    if Final.COMPENSATED in ends and not back:
        how = f"no {event.undone_by} follows" if event.undone_by else "nothing undoes it"
        yield BrokenRule(
            "not_compensated", f"{event.type} {event.acts}, and the subject is given up, but {how}: {_ends(run)}"
        )
    if Final.DONE in ends and back:
        yield BrokenRule("undone_though_done", f"{event.type} is undone by {event.undone_by}, yet the subject is done")


def _kept(promise: Promise, run: Run) -> Iterator[BrokenRule]:
    for visit in run:
        kept = any(other.type in promise.either and promise.after in other.path for other in run)
        if visit.type == promise.after and not kept:
            yield BrokenRule("promise_broken", f"{promise.broken!r} has a path: {_ends(run)}")


def _event(graph: Choreography, visit: Visit) -> Event:
    return next(event for event in graph.events if event.type == visit.type)


def _told(path: Path) -> str:
    return " -> ".join(path)


def _ends(run: Run) -> str:
    return "; ".join(_told(visit.path) for visit in run if visit.ends)
