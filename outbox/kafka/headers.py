"""A record's headers, held small until somebody looks at them: as fetched, or parsed by a client. Pure.

To read them costs more than the rest of a record, and who handles an event of ours needs no list of them. As fetched
they are bytes of Kafka's format v2; numbers there are zigzag varints, nearly all of one or two bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import overload

NAMES_KEPT = 1_000  # a topic has a handful of header names; strange ones must not fill the memory
_names: dict[bytes, str] = {}

Header = tuple[str, bytes]


class RawHeaders(Sequence[Header]):
    """A sequence of (name, value), equal to any other that holds the same. A null value is None.

    Whoever looks gets `ValueError` if `raw` is damaged. `raw`: their number, then names and values, as on the wire.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __iter__(self) -> Iterator[Header]:
        return iter(read_headers(self.raw))

    def __len__(self) -> int:
        return varint(self.raw, 0)[0]

    @overload
    def __getitem__(self, index: int) -> Header: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Header]: ...
    def __getitem__(self, index: int | slice) -> Header | Sequence[Header]:
        return read_headers(self.raw)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"RawHeaders({self.raw!r})"


class Names(tuple[str, ...]):
    """The names of a record's headers, in order; records that have the same share them."""

    size_bytes: int

    @classmethod
    @lru_cache(maxsize=256)
    def shared(cls, names: tuple[str, ...]) -> Names:
        """The one that all use."""
        found = cls(names)
        found.size_bytes = sum(len(name) for name in names)
        return found


class ParsedHeaders(Sequence[Header]):
    """The same where a client gives names and values; a null value is None.

    Thousands of records wait in memory: a pair and a name for each header would be most of their objects, and the
    garbage collector's work and the processor's misses go by objects.
    """

    __slots__ = ("names", "values")

    def __init__(self, names: Names, values: tuple[bytes, ...]) -> None:
        self.names, self.values = names, values

    def __iter__(self) -> Iterator[Header]:
        return zip(self.names, self.values, strict=True)

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, index: int) -> Header: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Header]: ...
    def __getitem__(self, index: int | slice) -> Header | Sequence[Header]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash((self.names, self.values))

    def __repr__(self) -> str:
        return f"ParsedHeaders({list(self)!r})"


def size_of(headers: Sequence[Header]) -> int:
    """The bytes that they take, about."""
    if type(headers) is RawHeaders:
        return len(headers.raw)
    if type(headers) is ParsedHeaders and None not in headers.values:
        return headers.names.size_bytes + sum(map(len, headers.values))
    size = 0
    for name, value in headers:  # a third of what `sum` costs
        size += len(name) + len(value) if value else len(name)
    return size


def read_headers(raw: bytes) -> list[Header]:
    """All of them, in order; what is no UTF-8 in a name is escaped by surrogates. `ValueError` if `raw` is damaged."""
    try:
        count, at = varint(raw, 0)
    except IndexError as error:
        raise ValueError("headers without their number") from error
    headers = headers_in(raw[at:])
    if len(headers) != count:
        raise ValueError(f"{len(headers)} headers are said to be {count}")
    return headers


def headers_in(raw: bytes) -> list[Header]:
    """The same without their number in front."""
    headers: list[Header] = []
    at, end = 0, len(raw)
    try:
        while at < end:
            length, at = varint(raw, at)
            if length < 0:  # it would lead back to where we were, for ever
                raise ValueError(f"a header's name has the length {length}")
            name, at = raw[at : at + length], at + length
            length, at = varint(raw, at)
            # Kafka allows a null value, our types do not: whoever needs the value meets None and refuses the record.
            value: bytes = raw[at : at + length] if length >= 0 else None  # type: ignore[assignment]
            headers.append((_names.get(name) or _named(name), value))
            at += max(length, 0)
    except IndexError as error:
        raise ValueError(f"a header goes beyond the {end} bytes") from error
    if at != end:
        raise ValueError(f"headers end at byte {at} of {end}")
    return headers


def varint(buffer: bytes, at: int) -> tuple[int, int]:
    """The number at `at` and where the next one begins."""
    number = buffer[at]
    at += 1
    if number > 127:
        number &= 127
        shift = 7
        while (more := buffer[at]) > 127:
            number |= (more & 127) << shift
            at += 1
            shift += 7
        number |= more << shift
        at += 1
    return number >> 1 ^ -(number & 1), at


def _named(name: bytes) -> str:
    text = name.decode("utf-8", "surrogateescape")  # other producers' names may be any bytes, and are not ours
    if len(_names) < NAMES_KEPT:
        _names[name] = text
    return text
