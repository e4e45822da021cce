"""Which requests the facade owns: the plan's routes against a method and a raw request target. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from strangler.plan import Route

# RFC 3986 section 6.2.2.2: an escaped unreserved character is the character. `/%6frders` must not slip past.
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Match:
    """A request on an owned route; `order_ref` is None when the route creates the order."""

    route: Route
    order_ref: str | None


class Routes:
    """The plan's routes, compiled once."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._compiled = [(route, route.pattern()) for route in routes]

    def match(self, method: str, target: str) -> Match | None:
        """The first route that matches the whole path; None: not ours, forward untouched."""
        path: str | None = None
        for route, pattern in self._compiled:
            if route.method != method:
                continue
            path = canonical_path(target) if path is None else path
            found = pattern.fullmatch(path)
            if found is not None:
                return Match(route, None if route.creates_order else found["order_ref"])
        return None


def canonical_path(target: str) -> str:
    """The path for matching only, never for forwarding: without query, escaped unreserved characters decoded.

    >>> canonical_path("http://shop.example/%6Frders/a%2Fb?x=%20")
    '/orders/a%2Fb'
    """
    path = re.split(r"[?#]", origin_form(target), maxsplit=1)[0]
    return _ESCAPED.sub(_decode_unreserved, path) if "%" in path else path


def origin_form(target: str) -> str:
    """A target as an origin server takes it; all but the absolute form (RFC 9112 section 3.2.2) is kept as it is."""
    if target.startswith(("/", "*")):
        return target
    found = _ABSOLUTE.match(target)
    rest = target[found.end() :] if found else target
    return rest if not found or rest.startswith("/") else f"/{rest}"


def _decode_unreserved(escaped: re.Match[str]) -> str:
    character = chr(int(escaped[1], 16))
    return character if character in _UNRESERVED else escaped[0]
