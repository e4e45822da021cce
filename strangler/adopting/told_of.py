"""What was seen of an application, in lines for a person and as data. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strangler.adopting.chain import RouteChain, RouteLink
from strangler.adopting.seen import Kind, SeenApplication, SourcePlace
from strangler.adopting.shape import NO_DRIVER, Shape

SHOWN = (Kind.ADD, Kind.DELETE, Kind.SQL, Kind.COMMIT, Kind.OUTGOING, Kind.TASK)
MOST_ROUTES = 40


def lines(seen: SeenApplication, shape: Shape) -> Iterator[str]:
    """For a person."""
    yield f"looked at {seen.files} Python file(s); nothing of the application was imported or run"
    if shape.app is not None:
        how = "made by" if shape.app.factory else "in"
        yield f"Flask: {how} {shape.app.reference} ({shape.app.place})"
    yield from _database(seen, shape)
    for model in seen.models:
        yield f"  {model.name}, table {model.table} ({model.place})"
    name, place = shape.migrations
    yield f"migrations: {name} ({place})" if name else "migrations: none were seen"
    for chain in shape.chains[:MOST_ROUTES]:
        yield from _chain(chain)
    if len(shape.chains) > MOST_ROUTES:
        yield f"  and {len(shape.chains) - MOST_ROUTES} more routes that write; --json has them all"
    if shape.chosen is not None and shape.effect is not None:
        where = "after" if shape.effect.link.committed else "before"
        of = f"{shape.effect.step}, {where} the commit ({shape.effect.link.action.place})"
        yield f"to begin with: the {shape.subject} of {shape.chosen.chain.route.path}, and its step {of}"
    if seen.not_understood:
        yield "not understood:"
        yield from (f"  {place}: {why}" for place, why in _understood_last(seen))


def _database(seen: SeenApplication, shape: Shape) -> Iterator[str]:
    driver, place = shape.driver_said
    said = f"driver {driver} ({place})" if driver else NO_DRIVER
    address = next((one for one in seen.variables if one.name == shape.database), None)
    where = "no address is read from the environment"
    if address is not None:
        where = f"address from {address.name} ({address.place})"
    used = next((name for name in ("flask_sqlalchemy", "sqlalchemy") if name in seen.imports), "no SQLAlchemy")
    yield f"{used}: {len(seen.models)} model(s); {said}; {where}"


def _chain(chain: RouteChain) -> Iterator[str]:
    route = chain.route
    yield f"{','.join(route.methods)} {route.path} ({route.function.place} {route.function.name})"
    for link in chain.links:
        if link.action.kind in SHOWN:
            yield f"  {said(link)}"


def said(link: RouteLink) -> str:
    """One thing that a route does."""
    action = link.action
    row = action.what or "a row of a model that is not seen here"
    what = {Kind.COMMIT: "", Kind.ADD: row, Kind.DELETE: row}.get(action.kind, action.what)
    when = ""
    if action.kind in (Kind.OUTGOING, Kind.TASK):
        when = ", after a commit" if link.committed else ", before any commit"
    within = f" in {link.within.name}" if link.within.place.line else ""
    return f"{action.kind} {what}".rstrip() + f" ({action.place}{within}){when}"


def _understood_last(seen: SeenApplication) -> list[tuple[SourcePlace, str]]:
    return sorted(set(seen.not_understood), key=lambda one: (one[0].path, one[0].line, one[1]))


def data(seen: SeenApplication, shape: Shape) -> dict[str, Any]:
    """The same as data; places are `file:line`."""
    address = next((str(one.place) for one in seen.variables if one.name == shape.database), None)
    return {
        "files": seen.files,
        "flask": None if shape.app is None else {"app": shape.app.reference, "at": str(shape.app.place)},
        "database": {
            "variable": shape.database,
            "at": address,
            "scheme": shape.scheme,
            "driver": shape.driver_said[0],
            "migrations": shape.migrations[0],
        },
        "models": [{"name": one.name, "table": one.table, "at": str(one.place)} for one in seen.models],
        "routes": [
            {
                "methods": list(chain.route.methods),
                "path": chain.route.path,
                "at": str(chain.route.function.place),
                "does": [
                    {
                        "kind": link.action.kind.value,
                        "what": link.action.what,
                        "at": str(link.action.place),
                        "after_commit": link.committed,
                    }
                    for link in chain.links
                    if link.action.kind in SHOWN
                ],
            }
            for chain in shape.chains
        ],
        "subject": shape.subject if shape.chosen is not None else None,
        "step": None if shape.effect is None else shape.effect.step,
        "not_understood": [{"at": str(place), "why": why} for place, why in _understood_last(seen)],
    }
