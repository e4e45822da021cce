"""Events as our relay writes them, read from a record's headers at half the cost of looking at each. Pure.

Between the `id`, which comes first, and the `position`, which comes last, stands what many events share: that is read
once. What looks different in any way is left to `outbox.kafka.codec`.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID, SafeUUID

from outbox.errors import Undecodable
from outbox.event import LSN_BITS, ORDINAL_BITS, Event, ReceivedEvent, SourcePosition
from outbox.kafka.headers import headers_in
from outbox.kafka.port import Record
from outbox.structured import Item, parse_dictionary

UUID_DIGITS = 32
# On the wire a name stands behind its length, and a value behind its own; lengths up to 63 are one byte, doubled.
_ID, _ID_AT, _ID_END = b"\x04id\x48", 5, 41  # 36 characters
_TRACE, _TRACE_BYTES = b"\x16traceparent\x6e", 55
_POSITION = b"\x10position"
_POSITION_LENGTH = len(_POSITION)
_NEEDED = {"type", "version"}
_BETWEEN = _NEEDED | {"context"}

_new, _tuple = object.__new__, tuple.__new__
_int, _is_safe = (getattr(UUID, name).__set__ for name in UUID.__slots__[:2])
_unknown = SafeUUID.unknown


class _Open:
    """An event under construction. A frozen object is built through a slow call for every field, four times as long."""

    __slots__ = Event.__slots__


class _Shared(NamedTuple):
    type: str
    version: int
    context: Mapping[str, Item]


def own_event(record: Record, raw: bytes) -> ReceivedEvent | None:
    """The event, if its headers are in our relay's order and nothing speaks against it; else None."""
    topic, partition, offset, key, value, _, _ = record
    if key is None or value is None or not raw.startswith(_ID, 1) or raw[0] & 1:  # an odd one is a number below 0
        return None
    position, trace, trace_at = None, None, 0
    others, end = (raw[0] >> 1) - 1, raw.rfind(_POSITION)
    try:
        if end > 0:  # inside a value, perhaps the last bytes of all; then what stands before it ends within a header
            place = raw[end + _POSITION_LENGTH + 1 :]
            if not place or raw[end + _POSITION_LENGTH] != 2 * len(place):
                return None
            position, others = _position(place), others - 1
        between = raw[_ID_END:end] if end > 0 else raw[_ID_END:]
        if len(between) > _TRACE_BYTES and _TRACE in between:
            trace, trace_at, between, others = *_cut_trace(between), others - 1
        event = _event(record, raw[_ID_AT:_ID_END], _shared(others, between, trace_at), trace)
    except (ValueError, Undecodable):
        return None  # the codec finds out why
    return _tuple(ReceivedEvent, (event, topic, partition, offset, position))


def _position(place: bytes) -> SourcePosition:
    source, lsn, ordinal = place.rsplit(b":", 2)
    if not (lsn.isalnum() and ordinal.isdigit()):  # int takes signs, blanks and underscores, too
        raise ValueError("no position")
    at, number = int(lsn, 16), int(ordinal)
    if at >> LSN_BITS or number >> ORDINAL_BITS or 0 in source:
        raise ValueError("no position")
    return _tuple(SourcePosition, (source.decode(), at, number))


def _event(record: Record, id_text: bytes, shared: _Shared, trace: str | None) -> Event:
    topic, _, _, key, value, _, _ = record
    digits = id_text.replace(b"-", b"")
    if len(digits) != UUID_DIGITS:
        raise ValueError(f"an id has {UUID_DIGITS} digits, not {len(digits)}")
    event: Any = _new(_Open)
    event.id = id_ = _new(UUID)
    _int(id_, int.from_bytes(unhexlify(digits)))
    _is_safe(id_, _unknown)
    event.aggregate_type, event.aggregate_id = last_segment(topic), key.decode()  # type: ignore[union-attr] # not None
    event.type, event.aggregate_version, context = shared
    event.context, event.payload = dict(context) if context else {}, value
    event.traceparent, event.partition_key = trace, None
    event.__class__ = Event  # its slots are the same
    return event  # type: ignore[no-any-return] # it is one now


def whole(digits: bytes) -> int:
    """A number as a relay writes it; `ValueError` for what `int` would take beside: a sign, blanks, underscores."""
    if not digits.isdigit():
        raise ValueError("not a number in digits")
    return int(digits)


@lru_cache(maxsize=256)
def last_segment(topic: str) -> str:
    """Of a topic's name: the aggregate type.

    >>> last_segment("outbox.event.order")
    'order'
    """
    return topic.rpartition(".")[2]


@lru_cache(maxsize=4096)
def _shared(others: int, between: bytes, trace_at: int) -> _Shared:
    """So many headers, whole ones on both sides of where the trace was: then all were found where they really are."""
    found = headers_in(between[:trace_at]) + headers_in(between[trace_at:])
    headers = dict(found)
    if not (len(found) == len(headers) == others and _NEEDED <= headers.keys() <= _BETWEEN):
        raise ValueError(f"{len(found)} headers are said to be {others}, or are not those of ours")
    if None in headers.values():
        raise ValueError("a header has no value")
    return _parsed(headers["type"], headers["version"], headers.get("context", b""))


@lru_cache(maxsize=4096)
def _parsed(type_: bytes, version: bytes, context: bytes) -> _Shared:
    number = whole(version)
    if number < 1:
        raise ValueError(f"the version is {number}, below 1")
    return _Shared(type_.decode(), number, parse_dictionary(context.decode()) if context else {})


def _cut_trace(between: bytes) -> tuple[str, int, bytes]:
    """The trace, where it was, and the rest without it."""
    at = between.index(_TRACE)
    begin = at + len(_TRACE)
    end = begin + _TRACE_BYTES
    if end > len(between):
        raise ValueError("the trace is cut off")
    return between[begin:end].decode(), at, between[:at] + between[end:]
