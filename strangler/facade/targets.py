"""Which requests the facade owns: the plan's routes against a method and a raw request target. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from strangler.facade.base_path import climbs
from strangler.facade.patterns import PathPattern, encoded
from strangler.facade.readings import Reading, as_wsgi, decoded, has_one_reading, readings
from strangler.routes import OWN_PREFIX, Route

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Z]+")  # some servers run `post` as POST, so no lower case
_ORIGIN = re.compile(r"/[!-~]*")
_ABSOLUTE = re.compile(r"https?://[A-Za-z0-9\-._~%!$&'()*+,;=:@\[\]]+(?=[/?#]|$)", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")
# RFC 3986 section 6.2.2.2: an escaped unreserved character is the character.
_UNRESERVED = re.compile(r"%(2D|2E|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])", re.IGNORECASE)

METHOD_REFUSED = "the method must be an upper-case token, such as POST"
TARGET_REFUSED = "the request target must be /path or http(s)://host/path, in printable ASCII; * goes with OPTIONS only"
TOO_MANY_READINGS = "the path can be read in too many ways; send it without escapes, dot segments and double slashes"
CLIMBS = "the path leads above the application's; send it without .. segments"
TWO_MEANINGS = "the path can be read as more than one owned request; send it in its plain spelling"
SPELLING_REFUSED = "this route is taken in its plain spelling only; send the path as it is documented"
REFERENCE_REFUSED = "the subject's reference or id holds a control character; send the one that the subject was given"
REFERENCE_BYTES = 1_000  # an index of PostgreSQL takes 2,704, of several columns
REFERENCE_LONG = "the subject's reference or id is longer than 1,000 bytes; send the one that the subject was given"


@dataclass(frozen=True, slots=True)
class NotOwned:
    """Not ours: forward untouched."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A request on an owned route, about `subject_ref`, or the subject that the application knows as `native_id`, both
    as the application sees them; both are None when the route creates it.

    `canonical` is the path in its plain spelling, the same for every spelling; `query` begins with `?`, or is empty.
    `certain`: the application has this route for this spelling. Else 3xx, 404 and 405 may say that it does not.
    """

    route: Route
    subject_ref: str | None
    canonical: str
    query: str = ""
    certain: bool = True
    native_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reserved:
    """A path that no client reaches the application by: the facade's own (`path` in plain), or a hand-back's."""

    path: str


@dataclass(frozen=True, slots=True)
class AmbiguousTarget:
    """A target or method that the application and the facade could take for different requests."""

    why: str


NOT_OWNED = NotOwned()
Match: TypeAlias = NotOwned | Owned | Reserved | AmbiguousTarget


class Targets:
    """The plan's routes, compiled once. `internal`: path templates that only the toolkit asks for, with any method.
    `below_a_base`: paths go on behind one, so none may lead above it.
    """

    def __init__(self, routes: Sequence[Route], internal: Sequence[str] = (), *, below_a_base: bool = False) -> None:
        self.below_a_base = below_a_base
        self._routes: dict[str, list[_Compiled]] = {}
        for route in routes:
            pattern = PathPattern.of(route.path, case_insensitive=route.case_insensitive)
            self._routes.setdefault(route.method, []).append(_Compiled(route, pattern))
        self._internal = [PathPattern.of(path, case_insensitive=True).loose for path in internal]

    def match(self, method: str, target: str) -> Match:
        """Whose request it is; of several routes that match, the first one counts."""
        if _METHOD.fullmatch(method) is None:
            return AmbiguousTarget(METHOD_REFUSED)
        origin = origin_form(target)
        if origin is None or (origin == "*" and method != "OPTIONS"):
            return AmbiguousTarget(TARGET_REFUSED)
        path, query = _split(origin)
        routes = self._routes.get(method, ())
        return self._plain(routes, path, query) or self._read(routes, path, query)

    def _plain(self, routes: Sequence[_Compiled], path: str, query: str) -> Match | None:
        """The fast path for a path of one reading; None if it does not decide."""
        if not has_one_reading(path):
            return None
        if self._is_reserved(path):
            return Reserved(path)
        if not routes:
            return NOT_OWNED
        hit = _exact_hit(routes, path)
        return None if hit is None else _taken(hit, query, certain=True)

    def _read(self, routes: Sequence[_Compiled], path: str, query: str) -> Match:
        read = readings(path)
        if read is None:
            return AmbiguousTarget(TOO_MANY_READINGS)
        if self.below_a_base and any(climbs(reading.text) for reading in read):
            return AmbiguousTarget(CLIMBS)
        reserved = next((reading.text for reading in read if self._is_reserved(reading.text)), None)
        if reserved is not None:
            return Reserved(reserved)
        return _owned(routes, path, query, read) if routes else NOT_OWNED

    def _is_reserved(self, text: str) -> bool:
        return text.startswith(OWN_PREFIX) or any(pattern.fullmatch(text) for pattern in self._internal)


def origin_form(target: str) -> str | None:
    """A target as an origin server takes it: the absolute form (RFC 9112 section 3.2.2) without its authority.

    >>> origin_form("http://front.example?a"), origin_form("//a"), origin_form("*"), origin_form("ftp://h/orders")
    ('/?a', '//a', '*', None)
    """
    if target == "*":
        return target
    found = None if target.startswith("/") else _ABSOLUTE.match(target)
    rest = target[found.end() :] if found else target
    origin = rest if not found or rest.startswith("/") else f"/{rest}"
    return origin if _ORIGIN.fullmatch(origin) else None


@dataclass(frozen=True, slots=True)
class _Compiled:
    route: Route
    pattern: PathPattern


@dataclass(frozen=True, slots=True)
class _Hit:
    compiled: _Compiled
    values: Mapping[str, str]


def _owned(
    routes: Sequence[_Compiled], path: str, query: str, read: Sequence[Reading]
) -> NotOwned | Owned | AmbiguousTarget:
    """The values are those that a WSGI application sees, else the plain path's, else those of the other readings."""
    plain = _exact_hit(routes, path)
    wsgi = _loose_hit(routes, Reading(as_wsgi(path), 1))
    others = [(reading.decodings, hit) for reading in read if (hit := _loose_hit(routes, reading)) is not None]
    hits = [hit for hit in (plain, wsgi) if hit is not None] + [hit for _, hit in others]
    if not hits:
        return NOT_OWNED
    shallow = [hit for decodings, hit in others if decodings <= 1]
    taken = [hit for hit in (wsgi, plain) if hit is not None][:1] or shallow or hits
    if any(hit.compiled is not hits[0].compiled for hit in hits) or any(hit != taken[0] for hit in taken):
        return AmbiguousTarget(TWO_MEANINGS)
    if plain is None and taken[0].compiled.route.spelling == "exact":
        return AmbiguousTarget(SPELLING_REFUSED)
    return _taken(taken[0], query, certain=plain is not None and wsgi is not None)


def _taken(hit: _Hit, query: str, *, certain: bool) -> Owned | AmbiguousTarget:
    route, values = hit.compiled.route, hit.values
    subject_ref, native_id = (None, None) if route.creates else (values.get("ref"), values.get("id"))
    if _UNSAFE.search(subject_ref or native_id or ""):
        return AmbiguousTarget(REFERENCE_REFUSED)
    if len((subject_ref or native_id or "").encode()) > REFERENCE_BYTES:
        return AmbiguousTarget(REFERENCE_LONG)
    return Owned(route, subject_ref, hit.compiled.pattern.filled(values), query, certain, native_id)


def _exact_hit(routes: Sequence[_Compiled], path: str) -> _Hit | None:
    text = _UNRESERVED.sub(lambda escaped: decoded(escaped[0]), encoded(path)) if "%" in path else path
    for compiled in routes:
        found = compiled.pattern.exact.fullmatch(text)
        if found is not None:
            return _Hit(compiled, {name: decoded(value) for name, value in found.groupdict().items()})
    return None


def _loose_hit(routes: Sequence[_Compiled], reading: Reading) -> _Hit | None:
    for compiled in routes:
        found = compiled.pattern.loose.fullmatch(reading.text)
        if found is not None:
            values = found.groupdict()
            return _Hit(compiled, values if reading.decodings else {n: decoded(v) for n, v in values.items()})
    return None


def _split(origin: str) -> tuple[str, str]:
    """The path, and the query with its `?`; an empty query is none, a fragment is dropped."""
    path, mark, query = origin.partition("#")[0].partition("?")
    return path, mark + query if query else ""
