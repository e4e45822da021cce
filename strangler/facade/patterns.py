"""A route's path as a pattern: matched exactly or loosely, and filled in again with the values it matched. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from strangler.routes import PLACEHOLDER

_ONE, _MORE = "[^/]+", "[^/].*?"  # what werkzeug's string and path converters take
_PCHAR = "!$&'()*+,;=:@~"  # RFC 3986: kept in a segment, beside the unreserved characters


def exact(path: str) -> re.Pattern[str]:
    """The path as it is written."""
    return re.compile(_expression(path), re.DOTALL)


def loose(path: str, *, case_insensitive: bool = False) -> re.Pattern[str]:
    """The path with any number of slashes at its end."""
    merged = re.sub("/{2,}", "/", path).rstrip("/")
    return re.compile(_expression(merged) + "/*", re.DOTALL | (re.IGNORECASE if case_insensitive else 0))


def filled(path: str, values: Mapping[str, str]) -> str:
    """The path with each value in its place, percent-encoded as far as it must be.

    >>> filled("/orders/{order_ref}/cancellations", {"order_ref": "a/b é"})
    '/orders/a%2Fb%20%C3%A9/cancellations'
    """

    def value(found: re.Match[str]) -> str:
        return quote(values[found[1]], safe=_PCHAR + ("/" if found[2] else ""))

    return PLACEHOLDER.sub(value, path)


def _expression(path: str) -> str:
    parts = iter(PLACEHOLDER.split(path))  # literal, then name, converter and literal for each placeholder
    expression = re.escape(next(parts))
    for name, converter, literal in zip(parts, parts, parts, strict=True):
        expression += f"(?P<{name}>{_MORE if converter else _ONE})" + re.escape(literal)
    return expression
