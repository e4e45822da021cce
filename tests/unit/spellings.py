"""Spellings of owned requests, and what werkzeug's router behind a WSGI server resolves them to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote_to_bytes, urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, Rule

from strangler.routes import PLACEHOLDER, Route

ROUTES = (
    Route("POST /orders", creates="order"),
    Route("POST /orders/{ref}/cancellations"),
    Route("POST /shops/{shop}/orders", creates="order"),
    Route("PUT /api/v1/shops/{shop}/orders/{ref}/refund"),
    Route("POST /carts/", creates="order"),
    Route("POST /carts/{ref}/close/"),
    Route("POST /returns/no-{ref}.{shop}/approvals"),
    Route("POST /files/{ref:path}/approvals"),
)
VALUES = (
    "R",
    "e40ad2fb-8fa0-84d0",
    " R1",
    "R\xe9",
    "a+b",
    "R;v=1",
    "%41",
    "%2F",
    "a\\b",
    ".",
    "..",
    "a:b@c",
    "50%",
    "A\u20ac",
)
SLASHES = ("//", "%2F", "%2f", "/./", "/x/../", "\\", "///", "%5C", "/%2e/", "//x/..//")
TAILS = ("/", "//", "%2F", ";a", ";a=/b", "?", "?a=/b", "#", "#f", "/;a", "/.", "?a#f", "%3Fa", "/x/..")
HEADS = (
    "http://h",
    "http://u@h",
    "HTTPS://h:1",
    "ftp://h",
    "/",
    "//",
    "http:",
    "http://h/",
    "/.",
    "/..",
    "%2F",
    "x",
    "",
)
METHODS = ("post", "Post", "put")


def spelled(choices: bytes) -> tuple[str, str]:
    """A method and a target, as these bytes choose: a route's own in a spelling that may have come apart."""
    choose = iter(choices + bytes(400))

    def pick(options: tuple[str, ...]) -> str:
        return options[next(choose) % len(options)]

    route = ROUTES[next(choose) % len(ROUTES)]
    values = PLACEHOLDER.sub(lambda _: pick(VALUES), route.path)
    encoded, slashed = next(choose) % 4 * 20, next(choose) % 4 * 15  # of 256: how many are spelled another way
    path = "".join(_written(values, choose, encoded, slashed))
    head = pick(HEADS) if next(choose) % 4 == 1 else ""
    tail = pick(TAILS) if next(choose) % 4 == 1 else ""
    method = pick(METHODS) if next(choose) % 32 == 1 else route.method
    return method, head + path + tail


def _written(path: str, choose: Iterator[int], encoded: int, slashed: int) -> Iterator[str]:
    for character in path:
        chance = next(choose)
        if character == "/":
            yield SLASHES[next(choose) % len(SLASHES)] if chance < slashed else "/"
        elif chance < encoded or not "!" <= character <= "~" or character in "%?#":
            yield "".join(f"%{octet:02X}" for octet in character.encode())
        else:
            yield character


def router(*, merge_slashes: bool, strict_slashes: bool) -> MapAdapter:
    """An application that has the routes of `ROUTES`, named by their place, and nothing else."""
    rules = [
        Rule(
            PLACEHOLDER.sub(lambda found: f"<{'path:' if found[2] else ''}{found[1]}>", route.path),
            endpoint=str(number),
            methods=[route.method],
        )
        for number, route in enumerate(ROUTES)
    ]
    return Map(rules, merge_slashes=merge_slashes, strict_slashes=strict_slashes).bind("h")


def resolved(application: MapAdapter, method: str, target: str) -> tuple[Route, Mapping[str, str]] | None:
    """The route that the application runs for a request that its server got, and the values it sees; None: no route.

    The server is gunicorn or waitress: the path is what `urlsplit` says, its octets are decoded once.
    """
    try:
        path = urlsplit("." + target).path[1:] if target.startswith("//") else urlsplit(target).path
    except ValueError:
        return None
    seen = unquote_to_bytes(path).decode(errors="replace")  # as PATH_INFO, and as werkzeug takes it from there
    try:
        endpoint, values = application.match(seen, method)
    except HTTPException:  # not found, another method, or a redirect, which comes back as a request of its own
        return None
    return ROUTES[int(endpoint)], values
