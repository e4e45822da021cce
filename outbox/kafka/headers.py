"""A record's headers, held as the bytes that were fetched until somebody looks at them. Pure.

To read them costs more than the rest of a record, and who handles an event of ours needs no list of them. They are
bytes of Kafka's format v2; numbers there are zigzag varints, nearly all of one or two bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def size_of(headers: Sequence[Header]) -> int:
    """The bytes that they take, about."""
    if type(headers) is RawHeaders:
        return len(headers.raw)
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
