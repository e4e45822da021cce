"""The writes that the facade owns: what a plan says of each route, and what contradicts itself in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

# `{name}` is one segment of a path or a part of one, `{name:path}` one or more segments.
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)(:path)?\}")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
OWN_PREFIX = "/-/"  # the facade's own paths, which the application never sees


@dataclass(frozen=True, slots=True)
class Route:
    """A write that the facade owns. `{name}` in `path` matches one segment, `{name:path}` one or more.

    `creates_order`: the facade mints the order reference and pins ownership; else the path must hold `{order_ref}`
    and the order's stored ownership is sent along. Every other request is forwarded untouched.

    `spelling`: a request that only some applications take for this route (`//orders`, `/orders%2F`) is owned too;
    `"exact"` refuses it. `case_insensitive`: the application takes `/Orders` for `/orders`.
    """

    method: str
    path: str
    creates_order: bool = False
    spelling: Literal["any", "exact"] = "any"
    case_insensitive: bool = False


def route_problems(routes: Sequence[Route]) -> Iterable[str]:
    """What contradicts itself in a plan's routes, each with the fix."""
    if not any(route.creates_order for route in routes):
        yield "no route has creates_order=True; without it no order gets an owner"
    for route in routes:
        named = f"route {route.method} {route.path!r}"
        yield from (f"{named} {problem}" for problem in _path_problems(route))
        if route.spelling not in ("any", "exact"):
            yield f'{named} has spelling={route.spelling!r}; use "any" or "exact"'


def path_template_problems(name: str, path: str, *placeholders: str) -> Iterable[str]:
    """A path that the toolkit fills in needs these placeholders and no other."""
    found = PLACEHOLDER.sub("", path)
    names = sorted(match[1] for match in PLACEHOLDER.finditer(path) if match[2] is None)
    if not path.startswith("/") or "{" in found or "}" in found or names != sorted(placeholders):
        wanted = " and ".join(f"{{{each}}}" for each in placeholders)
        yield f"{name} {path!r} must begin with '/' and hold {wanted} once, and no other placeholder"


def _path_problems(route: Route) -> Iterable[str]:
    literal = PLACEHOLDER.sub("", route.path)
    names = [match[1] for match in PLACEHOLDER.finditer(route.path)]
    if TOKEN.fullmatch(route.method) is None or route.method != route.method.upper():
        yield "has a method that is no upper-case token; write it as it is sent, such as POST"
    if not route.path.startswith("/"):
        yield "must begin with '/'"
    if any(character in literal for character in "{}?#"):
        yield "holds one of { } ? # outside a placeholder; a placeholder is {name} or {name:path}"
    if len(set(names)) < len(names):
        yield "names a placeholder twice; give each its own name"
    if not route.creates_order and "order_ref" not in names:
        yield "neither creates an order nor names {order_ref}"
    if route.path.startswith(OWN_PREFIX):
        yield f"lies under {OWN_PREFIX}, which is the facade's own; the application never sees it"
