"""A route's path as a pattern: matched exactly or loosely, and filled in again with the values it matched. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from strangler.facade.readings import decoded
from strangler.routes import PLACEHOLDER

_ONE, _MORE = "[^/]+", "[^/].*?"  # what werkzeug's string and path converters take
_PCHAR = "!$&'()*+,;=:@~"  # RFC 3986: kept in a segment, beside the unreserved characters


@dataclass(frozen=True, slots=True)
class PathPattern:
    """`exact` matches a path as it is sent, `loose` a decoded one with any number of slashes at its end."""

    exact: re.Pattern[str]
    loose: re.Pattern[str]
    literals: tuple[str, ...]
    placeholders: tuple[tuple[str, str], ...]  # each with what stays unescaped in its value

    @classmethod
    def of(cls, path: str, *, case_insensitive: bool = False) -> PathPattern:
        merged = re.sub("/{2,}", "/", path).rstrip("/")
        flags = re.DOTALL | (re.IGNORECASE if case_insensitive else 0)
        return cls(
            re.compile(_expression(path, encoded), re.DOTALL),
            re.compile(_expression(merged, decoded) + "/*", flags),
            tuple(encoded(literal) for literal in PLACEHOLDER.split(path)[::3]),
            tuple((found[1], _PCHAR + ("/" if found[2] else "")) for found in PLACEHOLDER.finditer(path)),
        )

    def filled(self, values: Mapping[str, str]) -> str:
        """The path with each value in its place, percent-encoded as far as it must be.

        >>> PathPattern.of("/orders/{ref}/cancellations").filled({"ref": "a/b é"})
        '/orders/a%2Fb%20%C3%A9/cancellations'
        """
        path = self.literals[0]
        for (name, safe), literal in zip(self.placeholders, self.literals[1:], strict=True):
            path += quote(values[name], safe=safe) + literal
        return path


def encoded(literal: str) -> str:
    """A part of a path as it is sent; escapes that it has are kept, in upper case."""
    kept = quote(literal, safe=_PCHAR + "/%")
    return re.sub("%[0-9A-Fa-f]{2}", lambda escape: escape[0].upper(), kept)


def _expression(path: str, literal: Callable[[str], str]) -> str:
    parts = iter(PLACEHOLDER.split(path))  # literal, then name, converter and literal for each placeholder
    expression = re.escape(literal(next(parts)))
    for name, converter, text in zip(parts, parts, parts, strict=True):
        expression += f"(?P<{name}>{_MORE if converter else _ONE})" + re.escape(literal(text))
    return expression
