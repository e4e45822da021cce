"""What a route does from its first line to its answer, through the functions that it calls. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from strangler.adopting.seen import Action, Function, Kind, Model, SeenApplication, SeenRoute, SourcePlace

DEEPEST = 8
MOST_CALLS = 2_000  # of a route, each call of a function again; what calls itself in circles would never end
MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class RouteLink:
    """An action of the route, and the function that it stands in. `committed`: a commit stands before it.

    `holder`: the innermost function on the way that was given the model, as its parameter `subject`; None for none.
    `given`: what it gave to the function that it called, by parameter, as Python source.
    """

    action: Action
    within: Function
    holder: Function | None
    subject: str
    committed: bool
    given: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteChain:
    """Of one route, in the order of running."""

    route: SeenRoute
    links: Sequence[RouteLink]

    @property
    def model(self) -> str:
        """The first that it writes a row of."""
        return next((one.action.what for one in self.links if one.action.kind is Kind.ADD and one.action.what), "")

    def outgoing(self) -> Sequence[RouteLink]:
        return [one for one in self.links if one.action.kind is Kind.OUTGOING]

    @property
    def commits(self) -> bool:
        return any(one.action.kind is Kind.COMMIT for one in self.links)


def chain_of(route: SeenRoute, seen: SeenApplication) -> RouteChain:
    """A function that calls itself is followed once. What is left out is named in `not_understood`."""
    links: list[RouteLink] = []
    committed, budget = False, _Budget()
    for action, within, held in _walk(route.function, seen, HeldModel(), {}, (route.function.place,), budget=budget):
        links.append(RouteLink(action, within, held.holder, held.subject, committed, held.given))
        committed = committed or action.kind is Kind.COMMIT
    if budget.left_out:
        names = [f"{one.name} ({one.place})" for one in budget.left_out.values()]
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        left_out = f"{', '.join(names[:MOST_NAMED])}{more}"
        why = f"{route.path} makes more than {MOST_CALLS:,} calls; not followed into {left_out}"
        seen.not_understood.append((route.function.place, why))
    return RouteChain(route, links)


@dataclass(slots=True)
class _Budget:
    """Of calls that are followed. `left_out`: by place, the functions that were not any more."""

    calls: int = MOST_CALLS
    left_out: dict[SourcePlace, Function] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldModel:
    """Who was given the model, and as what."""

    holder: Function | None = None
    subject: str = ""
    given: Mapping[str, str] = field(default_factory=dict)


def _walk(
    function: Function,
    seen: SeenApplication,
    held: HeldModel,
    types: Mapping[str, str],
    path: Sequence[object],
    *,
    budget: _Budget,
) -> Iterator[tuple[Action, Function, HeldModel]]:
    for found in function.actions:
        action = _known(found, types)
        if action.kind is not Kind.CALL:
            yield action, function, held
            continue
        called = seen.function(action.what, action.receiver, function.place.path, action.module)
        if called is None or called.place in path or len(path) > DEEPEST:
            continue
        if budget.calls == 0:
            budget.left_out[called.place] = called
            continue
        budget.calls -= 1
        subject = _subject(called, action) or ("self" if action.receiver and called.owner == action.receiver else "")
        inner = HeldModel(called, subject) if subject else HeldModel(held.holder, held.subject, _given(called, action))
        yield from _walk(called, seen, inner, _types(called, action), (*path, called.place), budget=budget)


def _known(action: Action, types: Mapping[str, str]) -> Action:
    """With what its variables are, as the caller gave them."""

    def known(name: str) -> str:
        return types.get(name[1:], "") if name.startswith("=") else name

    what = known(action.what) if action.kind in (Kind.ADD, Kind.DELETE) else action.what
    return replace(action, what=what, types=[known(one) for one in action.types], receiver=known(action.receiver))


def _types(called: Function, action: Action) -> Mapping[str, str]:
    """By the called function's parameter, the model that it is given."""
    names = called.parameters[1:] if called.owner else called.parameters
    return {**dict(zip(names, action.types, strict=False)), "self": action.receiver, "cls": action.receiver}


def _subject(called: Function, action: Action) -> str:
    """The parameter of the called function that a model is given to."""
    names = called.parameters
    if called.owner and names[:1] in (["self"], ["cls"]):
        names = names[1:]
    return next((name for name, kind in zip(names, action.types, strict=False) if kind), "")


def _given(called: Function, action: Action) -> Mapping[str, str]:
    if action.node is None:
        return {}
    names = called.parameters[1:] if called.owner else called.parameters
    by_place = zip(names, action.node.args, strict=False)
    by_name = ((one.arg, one.value) for one in action.node.keywords if one.arg)
    return {name: ast.unparse(value) for name, value in (*by_place, *by_name)}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The chain to begin with: its subject, and the call that becomes its first step; None where it makes none."""

    chain: RouteChain
    model: Model
    effect: RouteLink | None


def choose(chains: Sequence[RouteChain], seen: SeenApplication) -> Chosen | None:
    """The route that makes a row and has an effect outside, the one behind the commit first: it is the tail."""

    def worth(chain: RouteChain) -> tuple[int, ...]:
        effects = [one for one in chain.outgoing() if not asks_only(one)]
        creates = "POST" in chain.route.methods and "<" not in chain.route.path
        return (bool(effects), creates, any(one.committed for one in effects), chain.commits, -len(chain.route.path))

    possible = [one for one in chains if seen.model(one.model) is not None and set(one.route.methods) & {"POST", "PUT"}]
    if not possible:
        return None
    best = max(possible, key=worth)
    model = seen.model(best.model)
    effects = [one for one in best.outgoing() if not asks_only(one)]
    last = next((one for one in reversed(effects) if one.committed), effects[-1] if effects else None)
    return None if model is None else Chosen(best, model, last)


def asks_only(link: RouteLink) -> bool:
    """A GET: what it answers is needed, and nothing happens by it."""
    return link.action.what.rpartition(".")[2] in ("get", "head", "urlopen")
