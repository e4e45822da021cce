"""An answer as places with a text each: the same for two answers that say the same. Pure."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from hashlib import blake2b

Headers = Sequence[tuple[str, str]]

STATUS, BODY, ROOT = "status", "body", "$"
LONGEST_PLACE = 300  # characters of a place as it is spoken of; it is a key of a table
MOST_FLAT = 8 * 1024 * 1024  # bytes, about, of an answer taken apart: a path is written with each leaf
_EACH_PLACE = 64  # bytes that one takes beside its text
MISSING = "missing"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")  # other keys may be a customer's: they are not named
_INDEX = re.compile(r"\[\d+\]")
_NAMED_KEY = re.compile(r'\["(?:[^"\\]|\\.)*"\]')
_JSON = re.compile(r"application/(?:[\w.-]+\+)?json\b", re.IGNORECASE)
_EXACT = Context(prec=400)


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """A whole answer; `body` without its content coding."""

    status: int
    headers: Headers
    body: bytes

    def field(self, name: str) -> str:
        """All values of it."""
        return ", ".join(value.strip() for found, value in self.headers if found.lower() == name.lower())


class StillCoded(Exception):
    """A body in a coding that is not read here, or that is longer than it may be."""


class TooManyPlaces(Exception):
    """A body that takes more than `MOST_FLAT` bytes when it is taken apart."""


def places(answer: ReadAnswer, headers: Collection[str]) -> dict[str, str]:
    """Each place and what stands there. JSON is taken apart, whatever the order of its keys; all else is a digest.
    `TooManyPlaces` for what would be too large then.

    >>> places(ReadAnswer(200, [("Content-Type", "application/json")], b'{"a": [1.0, true]}'), ["ETag"])
    {'status': '200', 'header etag': '', '$.a[0]': '1', '$.a[1]': 'true'}
    """
    found = {STATUS: str(answer.status)}
    found |= {f"header {name.lower()}": answer.field(name) for name in headers}
    if _JSON.match(answer.field("content-type")):
        try:
            value = json.loads(answer.body, parse_float=Decimal, parse_int=Decimal)
            return found | _bounded(_flat(ROOT, value))
        except (ValueError, ArithmeticError, RecursionError):
            pass  # it is not what it says; bytes can be compared all the same
    return found | {BODY: blake2b(answer.body, digest_size=16).hexdigest()}


def spoken_place(place: str) -> str:
    """As people and the plan name it: no index, and no key that may be a customer's name. What is longer than
    `LONGEST_PLACE` ends in a digest.

    >>> spoken_place('$.lines[3].by["a@example"].sum')
    '$.lines[].by[*].sum'
    """
    spoken = _INDEX.sub("[]", _NAMED_KEY.sub("[*]", place))
    if len(spoken) <= LONGEST_PLACE:
        return spoken
    return f"{spoken[: LONGEST_PLACE - 34]}..{blake2b(spoken.encode(), digest_size=16).hexdigest()}"


def shape(text: str | None) -> str:
    """What stands there, without saying it: a log must not hold what belongs to customers."""
    if text is None:
        return MISSING
    if text in ("null", "true", "false", "{}", "[]"):
        return text
    return f"text of {len(text) - 2}" if text.startswith('"') else "other"


def uncoded(body: bytes, codings: str, most_bytes: int) -> bytes:
    """A body without gzip, if it has that; `StillCoded` for any other coding, and for one that is too long."""
    coding = codings.strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise StillCoded(coding)
    reading = zlib.decompressobj(wbits=31)
    try:
        plain = reading.decompress(body, most_bytes)
    except zlib.error as error:
        raise StillCoded(coding) from error
    if not reading.eof:
        raise StillCoded(f"{coding}, longer than {most_bytes} bytes")
    return plain


def _bounded(flat: Iterator[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    size = 0
    for place, text in flat:
        size += len(place) + len(text) + _EACH_PLACE
        if size > MOST_FLAT:
            raise TooManyPlaces
        found[place] = text
    return found


def _flat(place: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flat(f"{place}.{key}" if _PLAIN.fullmatch(key) else f"{place}[{json.dumps(key)}]", each)
    elif isinstance(value, list) and value:
        for number, each in enumerate(value):
            yield from _flat(f"{place}[{number}]", each)
    elif isinstance(value, Decimal):
        yield place, str(value.normalize(_EXACT))
    else:
        yield place, json.dumps(value)
