"""A read that another application is to answer: what a plan declares of it, and what contradicts itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from outbox.terms import check_terms
from strangler.errors import BadPlan
from strangler.routes import COOKIE, HEADER, OWN_PREFIX, PLACEHOLDER, TOKEN, Route

BY_SUBJECT = "subject"
NAME = re.compile(r"[a-z][a-z0-9_]*")
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
LONGEST_S = 30.0  # a client waits that long, and then for the application


@dataclass(frozen=True, slots=True)
class ReadRoute:
    """A read that is taken over by another application: `ReadRoute("order_page", "GET /orders/{ref}", "PAGES_URL",
    sticky="subject")`. It has a stage as a step has, and is moved by the same verbs, under its `name`.

    `target` is GET and a path, with placeholders as of a `Route`; a HEAD goes where the GET would go. `url` names the
    environment variable with the address of the other application, http://HOST:PORT.

    `sticky` says what stays on one side while a ramp grows: `"subject"`, the path's `{ref}` or `{id}`; or a client, by
    `"cookie:NAME"` or `"header:NAME"`. A request that lacks it is legacy's.

    `within_s`: how long the other application may take to begin its answer. `on_failure`: what a client gets when it
    does not, or answers with 5xx: `"legacy"` asks legacy instead, as long as nothing of an answer was sent;
    `"refuse"` passes its answer on, or says 502 or 504. `credentials`: it is sent Authorization, Cookie and the fields
    by which the plan knows a caller, at every stage; without it, at none.

    `ignored`: what of a JSON body is not compared, and all beneath it: `$.updated_at`, `$.lines[].id`. `headers` are
    compared beside status and body.
    """

    name: str
    target: str
    url: str
    sticky: str
    within_s: float = 2.0
    on_failure: Literal["legacy", "refuse"] = "legacy"
    credentials: bool = False
    ignored: tuple[str, ...] = ()
    headers: tuple[str, ...] = ("Content-Type",)

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan, above_zero=("within_s",))

    @property
    def path(self) -> str:
        return self.target.partition(" ")[2]

    def ignores(self, place: str) -> bool:
        """Whether the plan leaves that place of an answer out.

        >>> ReadRoute("page", "GET /", "URL", "cookie:s", ignored=("$.at",)).ignores("$.at.zone")
        True
        """
        return any(place == one or place.startswith((one + ".", one + "[")) for one in self.ignored)


def read_problems(reads: Sequence[ReadRoute], steps: Iterable[str], routes: Sequence[Route]) -> Iterable[str]:
    """What contradicts itself, each with the fix. `steps`: every other name that has a stage, or may get one."""
    taken = set(steps)
    for read in reads:
        named = f"read {read.name!r}"
        if NAME.fullmatch(read.name) is None or read.name == "epoch":
            yield f"{named} is no name for a stage; use lower case letters, digits and _"
        if read.name in taken:
            yield f"{named} has the name of a step, a projection or another read; give it one of its own"
        taken.add(read.name)
        yield from (f"{named} {problem}" for problem in (*_target_problems(read), *_term_problems(read)))
    for read in reads:
        if any(route.target == read.target for route in routes):
            yield f"read {read.name!r} is {read.target!r}, which is a route of the plan; leave one of them out"


def _target_problems(read: ReadRoute) -> Iterable[str]:
    method, _, path = read.target.partition(" ")
    literal = PLACEHOLDER.sub("", path)
    names = [match[1] for match in PLACEHOLDER.finditer(path)]
    if method != "GET":
        yield f"asks by {method!r}; only GET is a read: what changes something is taken over by steps"
    if not path.startswith("/") or path.startswith(OWN_PREFIX) or any(character in literal for character in "{}?#"):
        yield f"has path {path!r}; write GET, a space and a path that begins with '/', placeholders as {{name}}"
    if len(set(names)) < len(names):
        yield "names a placeholder twice; give each its own name"
    if read.sticky == BY_SUBJECT and len({"ref", "id"} & set(names)) != 1:
        yield "is sticky by subject and needs one of {ref} and {id} in its path; or name a cookie or header of clients"


def _term_problems(read: ReadRoute) -> Iterable[str]:
    kind, colon, name = read.sticky.partition(":")
    if read.sticky != BY_SUBJECT and not (kind + colon in (HEADER, COOKIE) and TOKEN.fullmatch(name)):
        yield f'has sticky={read.sticky!r}; use "subject", "cookie:NAME" or "header:NAME"'
    if VARIABLE.fullmatch(read.url) is None:
        yield f"has url={read.url!r}; name the environment variable that holds the address, such as PAGES_URL"
    if read.on_failure not in ("legacy", "refuse"):
        yield f'has on_failure={read.on_failure!r}; use "legacy" or "refuse"'
    if read.within_s > LONGEST_S:
        yield f"has within_s={read.within_s:g}; a client waits as long: give {LONGEST_S:g} s or less"
    for place in read.ignored:
        if not place.startswith("$."):
            yield f"ignores {place!r}; write a place in a JSON body, such as $.updated_at or $.lines[].id"
    for field in read.headers:
        if TOKEN.fullmatch(field) is None:
            yield f"compares the header {field!r}, which is no name of one; write it as it is sent"
