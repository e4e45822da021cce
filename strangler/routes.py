"""The writes that the facade owns: what a plan declares of each route and of its callers. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from outbox.terms import check_terms
from strangler.errors import BadPlan
from strangler.keys import Derived, KeyRule, key_problems

# `{name}` is one segment of a path or a part of one, `{name:path}` one or more segments.
PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)(:path)?\}")
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
OWN_PREFIX = "/-/"  # the facade's own paths, which the application never sees
EXTENSION = "strangler"  # under that name Flask keeps what `init_app` was called on
INTERNAL_PREFIX = "/internal/strangler/"  # the toolkit's own routes in the monolith, which no client reaches
ANONYMOUS = "anonymous"
HEADER, COOKIE = "header:", "cookie:"

NameOf: TypeAlias = Callable[[Mapping[str, str]], str | None]
Caller: TypeAlias = str | NameOf
Callers: TypeAlias = Caller | Sequence[Caller]


@dataclass(frozen=True, slots=True)
class Route:
    """A write that the facade owns: `Route("POST /checkout", creates="booking")`, `Route("PATCH /bookings/{ref}")`.

    `target` is a method and a path. `{name}` in it matches one segment, `{name:path}` one or more.
    `creates` names the plan's subject: the facade mints its reference and pins its ownership. Else the path must hold
    `{ref}`, the subject's reference, or `{id}`, the application's own id: of a subject that has no reference yet it
    becomes `NAME:ID`, pinned at this request. The subject's ownership is sent along. Every other request is forwarded
    untouched.

    `spelling`: a request that only some applications take for this route (`//orders`, `/orders%2F`) is owned too;
    `"exact"` refuses it. `case_insensitive`: the application takes `/Orders` for `/orders`.

    `caller` identifies who sends an Idempotency-Key; the subject's `caller` is the default. See `Subject`.

    `key`: whether a request must bring an Idempotency-Key. One that brings a key is carried out once and answered the
    same from then on, whatever `key` says. `"required"` refuses one without (400). `"optional"` takes it as a request
    of its own: it is pinned and forwarded, and sent again it is another one. `Derived` makes a key of its fields.
    `key_field`: the field of an HTML form that holds the key, where the header is missing.

    `kept`: statuses that are the application's answer for good, `released`: those by which it says that it has not
    taken the request on, where that differs from what they mean by themselves. `idempotent`: carried out twice, the
    request changes nothing more, so one whose answer was lost is sent again; PUT and DELETE are, by their definition.
    """

    target: str
    creates: str = ""
    spelling: Literal["any", "exact"] = "any"
    case_insensitive: bool = False
    caller: Callers | None = None
    key: KeyRule = "optional"
    key_field: str = ""
    kept: tuple[int, ...] = ()
    released: tuple[int, ...] = ()
    idempotent: bool = False

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan, leave=("caller",))  # a plan judges callers

    @property
    def method(self) -> str:
        return self.target.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.target.partition(" ")[2]

    @property
    def may_be_repeated(self) -> bool:
        """Sent twice it acts as if sent once (RFC 9110 section 9.2.2)."""
        return self.idempotent or self.method in ("PUT", "DELETE")


def listed(callers: Callers) -> tuple[Caller, ...]:
    """One way to identify a caller, or several, as a tuple.

    >>> listed("cookie:session"), listed(["header:X-Api-Key", "anonymous"])
    (('cookie:session',), ('header:X-Api-Key', 'anonymous'))
    """
    several = isinstance(callers, Sequence) and not isinstance(callers, str)
    return tuple(callers) if several else (callers,)  # type: ignore[arg-type, return-value] # whatever a plan says


def route_problems(routes: Sequence[Route], subject: str, caller: Callers | None) -> Iterable[str]:
    """What contradicts itself in a plan's routes, each with the fix. `caller` is the default of the plan's subject."""
    if not any(route.creates for route in routes):
        yield f"no route has creates={subject!r}; without it no {subject} gets an owner"
    if caller is not None:
        yield from (f"the subject's caller {problem}" for problem in caller_problems(caller))
    for route in routes:
        named = f"route {route.target!r}"
        yield from (f"{named} {problem}" for problem in _path_problems(route, subject))
        if route.creates not in ("", subject):
            yield f"{named} creates {route.creates!r}, and the plan's subject is {subject!r}; use one name"
        if route.spelling not in ("any", "exact"):
            yield f'{named} has spelling={route.spelling!r}; use "any" or "exact"'
        yield from (f"{named} {problem}" for problem in key_problems(route.key, route.key_field))
        yield from (f"{named} {problem}" for problem in _status_problems(route))
        if isinstance(route.key, Derived) and ANONYMOUS in listed(
            caller or () if route.caller is None else route.caller
        ):
            yield f"{named} derives its key for anonymous callers; {STRANGERS}"
        if route.caller is not None:
            yield from (f"{named} has a caller that {problem}" for problem in caller_problems(route.caller))
        elif caller is None and route.creates:
            yield f"{named} does not say what identifies the caller of its Idempotency-Key; {CHOICES}"


def path_template_problems(name: str, path: str, *placeholders: str) -> Iterable[str]:
    """A path that the toolkit fills in needs these placeholders and no other."""
    found = PLACEHOLDER.sub("", path)
    names = sorted(match[1] for match in PLACEHOLDER.finditer(path) if match[2] is None)
    if not path.startswith("/") or "{" in found or "}" in found or names != sorted(placeholders):
        wanted = " and ".join(f"{{{each}}}" for each in placeholders)
        yield f"{name} {path!r} must begin with '/' and hold {wanted} once, and no other placeholder"


STRANGERS = (
    "whoever knows the fields would get another's answer: give the route a caller that identifies one, without "
    '"anonymous", or key="optional" with a key_field of its form'
)
CHOICES = """give caller=... on the route, or on the subject for all routes:
      caller="header:Authorization": clients log in with a token that stays the same between two attempts
      caller="cookie:session": browsers log in with a cookie that stays the same between two attempts; give its name
      caller=account: a function of the headers that returns the account, where tokens are refreshed or a session's
        cookie is written anew (Flask's is whenever the session changes, a permanent one with every answer)
      caller="anonymous": nobody logs in; whoever sends a key and its request again gets the first answer"""


def _path_problems(route: Route, subject: str) -> Iterable[str]:
    literal = PLACEHOLDER.sub("", route.path)
    names = [match[1] for match in PLACEHOLDER.finditer(route.path)]
    if TOKEN.fullmatch(route.method) is None or route.method != route.method.upper():
        yield "has a method that is no upper-case token; write it as it is sent, such as POST"
    if not route.path.startswith("/"):
        yield "has a path that does not begin with '/'; write METHOD, a space and the path"
    if any(character in literal for character in "{}?#"):
        yield "holds one of { } ? # outside a placeholder; a placeholder is {name} or {name:path}"
    if len(set(names)) < len(names):
        yield "names a placeholder twice; give each its own name"
    if not route.creates and len({"ref", "id"} & set(names)) != 1:
        yield f"needs one of creates={subject!r}, {{ref}} and {{id}} in its path, to say which subject it is about"
    if route.path.startswith(OWN_PREFIX):
        yield f"lies under {OWN_PREFIX}, which is the facade's own; the application never sees it"


def _status_problems(route: Route) -> Iterable[str]:
    for name, statuses, least in (("kept", route.kept, 200), ("released", route.released, 300)):
        for status in statuses:
            if not least <= status <= 599:
                yield f"has {name}={status}, which no answer says that could be; name statuses from {least} to 599"
    for status in sorted(set(route.kept) & set(route.released)):
        yield f"keeps {status} and releases it; name it in one of kept and released"


def caller_problems(callers: Callers) -> Iterable[str]:
    """What is wrong with what a plan says identifies a caller, each with the fix."""
    rules = listed(callers)
    if not rules:
        yield 'is empty; name what identifies a caller, or "anonymous"'
    for rule in rules:
        if callable(rule):
            continue
        prefix, colon, name = rule.partition(":") if isinstance(rule, str) else ("", "", "")
        if rule == ANONYMOUS or (prefix + colon in (HEADER, COOKIE) and TOKEN.fullmatch(name)):
            continue
        yield f'is {rule!r}; use "header:NAME", "cookie:NAME", a function of the headers, or "anonymous"'
