"""A path in every form in which an application, or a server in front of it, may read it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

DECODINGS = 3  # a proxy, a server and a router each decode once at most
LIMIT = 256  # of readings; an honest path has one or two, the tests' worst ones some dozens

_QUIRK = re.compile(r"[%;\\]|//|/\.")
_PARAMETERS = re.compile(r";[^/]*")
_SLASHES = re.compile(r"/{2,}")


@dataclass(frozen=True, slots=True)
class Reading:
    """`text` is the path after `decodings` of its percent escapes."""

    text: str
    decodings: int = 0


def has_one_reading(path: str) -> bool:
    """Whether every application reads the path as it is written, but for slashes at its end."""
    return _QUIRK.search(path) is None


def readings(path: str) -> list[Reading] | None:
    """The path itself first, then each form of it once; None when there are more than `LIMIT`.

    Applications differ in what they normalise and in which order: werkzeug decodes once and eats leading slashes, a
    servlet container drops `;parameters` before it decodes, proxies resolve `..` before or after: each order is tried.

    >>> [reading.text for reading in readings("/%6Frders;a") or ()]
    ['/%6Frders;a', '/orders;a', '/%6Frders', '/orders']
    """
    found = {Reading(path): None}
    if has_one_reading(path):
        return list(found)
    waiting = list(found)
    for reading in waiting:  # grows while it is walked
        for further in _further(reading):
            if further not in found:
                found[further] = None
                waiting.append(further)
        if len(found) > LIMIT:
            return None
    return waiting


def as_wsgi(path: str) -> str:
    """What Flask and its servers resolve: decoded once, leading slashes eaten.

    >>> as_wsgi("/%2Forders/caf%C3%A9")
    '/orders/café'
    """
    return "/" + decoded(path).lstrip("/")


def decoded(text: str) -> str:
    """Percent escapes decoded once, as UTF-8; bytes that are none are replaced, as werkzeug does."""
    return unquote(text, errors="replace") if "%" in text else text


def _further(reading: Reading) -> Iterator[Reading]:
    text, level = reading.text, reading.decodings
    if "%" in text and level < DECODINGS:
        yield Reading(decoded(text), level + 1)
    if "//" in text:
        yield Reading("/" + text.lstrip("/"), level)
        yield Reading(_SLASHES.sub("/", text), level)
    if "\\" in text:
        yield Reading(text.replace("\\", "/"), level)
    if ";" in text:
        yield Reading(_PARAMETERS.sub("", text), level)
    if "/." in text:
        yield Reading(_without_dots(text), level)


def _without_dots(path: str) -> str:
    """Dot segments resolved (RFC 3986 section 5.2.4), `..` above the root dropped."""
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)
