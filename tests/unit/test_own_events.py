"""What our relay writes is read at one look, as the codec reads it header by header; the rest is left to the codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from outbox import Event, uuid7
from outbox.errors import Undecodable
from outbox.event import ReceivedEvent, SourcePosition
from outbox.kafka.codec import from_record, header_by_header, to_headers
from outbox.kafka.headers import RawHeaders, size_of
from outbox.kafka.own_events import own_event
from outbox.kafka.port import Record
from outbox.kafka.record_batch import decode_records

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = st.sampled_from(["id", "type", "version", "traceparent", "context", "position", "aggregateid", "other"])
VALUES = st.none() | st.sampled_from(
    [
        *(str(uuid7(7)).encode(), b"0" * 36, b"OrderPlaced", b"1", b"0", b"-1", b"x" * 64, b"\xff", b""),
        *(
            TRACE.encode(),
            b"epoch=17, inventory=new",
            b"a=" + b"1" * 70,
            b"A=1",
            b"main:1A:3",
            b"a:b:1A:3",
            b"main:x:3",
        ),
        *(b"\x10position\x12main:1A:3", b"\x16traceparent\x6e" + TRACE.encode(), b"\x08type\x02x"),
        *(b"position", b"\x10position", b"\x10position\x00", b"\x10position\x01", b"x\x10position\x10main:1:3"),
    ]
)


def fetched(headers: Sequence[tuple[str, bytes | None]]) -> Record:
    """A record with these headers, as the broker sends it."""
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=2**20)
    builder.append(timestamp=0, key=b"o-1", value=b"{}", headers=list(headers))
    builder.close()
    batch = MemoryRecords(bytes(builder.buffer())).next_batch()
    body = bytes(batch._buffer[batch._pos :])
    (record,) = decode_records(body, 1, "outbox.event.order", 3, base_offset=42, base_ms=0, fixed_ms=None)
    return record


def read(record: Record, decode: Callable[[Record], ReceivedEvent] = from_record) -> ReceivedEvent | str:
    try:
        return decode(record)
    except Undecodable as error:
        return str(error)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_any_headers_read_the_same_raw_and_one_by_one(headers: list[tuple[str, bytes | None]]) -> None:
    record = fetched(headers)
    listed = record._replace(headers=list(record.headers))

    assert listed.headers == headers
    assert read(record) == read(listed) == read(record, header_by_header)


@given(
    *(st.sampled_from([b"0" * 36, b"x" * 36, b"", None]), st.sampled_from([b"1", b"0", b"x", None])),
    *(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.none() | st.binary(), st.none() | st.binary()),
)
def test_what_begins_as_ours_reads_the_same_raw_and_one_by_one(
    id_: bytes | None,
    version: bytes | None,
    others: list[tuple[str, bytes | None]],
    key: bytes | None,
    value: bytes | None,
) -> None:
    headers: list[tuple[str, bytes | None]] = [("id", id_), ("type", b"OrderPlaced"), ("version", version), *others]
    record = fetched(headers)._replace(key=key, value=value)

    assert read(record) == read(record, header_by_header)


@pytest.mark.parametrize(
    "value", [b"position", b"x\x10position", b"\x10position\x12main:1A:3", b"\x10position\x12main:1A:4"]
)
@pytest.mark.parametrize("name", ["type", "position", "other"])
def test_what_looks_like_the_position_inside_a_value_is_only_a_value(name: str, value: bytes) -> None:
    """An 8-byte value stands behind the same length as the name `position`."""
    headers = [("id", str(uuid7(7)).encode()), ("version", b"1"), ("type", b"OrderPlaced"), ("position", b"main:1:3")]
    record = fetched([*(one for one in headers if one[0] != name), (name, value)])

    assert read(record) == read(record, header_by_header)


@given(st.permutations(range(6)), st.integers(0, 6))
def test_headers_of_ours_in_any_order_and_number_read_the_same(order: list[int], count: int) -> None:
    event = Event("order", "o-1", 3, "OrderPlaced", b"{}", {"epoch": 17, "shop": "s" * 60}, TRACE)
    ours = to_headers(event, SourcePosition("main", 0x1A2B, 3))
    record = fetched([ours[place] for place in order][:count])

    assert read(record) == read(record, header_by_header)


@pytest.mark.parametrize("trace", [None, TRACE])
@pytest.mark.parametrize("context", [{}, {"epoch": 17}, {"epoch": 17, "ownership": "payment=shadow, search=new " * 9}])
@pytest.mark.parametrize("position", [None, SourcePosition("main:2", 0x1A2B, 3)])
def test_what_our_relay_writes_is_read_at_one_look(
    trace: str | None, context: dict[str, int | str], position: SourcePosition | None
) -> None:
    event = Event("order", "o-1", 3, "OrderPlaced", b"{}", context, trace)
    record = fetched([*to_headers(event, position)])

    assert isinstance(record.headers, RawHeaders)
    seen = own_event(record, record.headers.raw)
    assert seen == ReceivedEvent(event, "outbox.event.order", 3, 42, position)
    assert hash(seen.event.id) == hash(event.id)


@pytest.mark.parametrize("place", range(4))
def test_what_another_producer_writes_is_left_to_the_codec(place: int) -> None:
    event = Event("order", "o-1", 3, "OrderPlaced", b"{}")
    headers = to_headers(event, None)
    headers.insert(place, ("other", b"1"))

    record = fetched([*headers])

    assert isinstance(record.headers, RawHeaders)
    assert own_event(record, record.headers.raw) is None


def test_the_context_of_an_event_is_its_own() -> None:
    event = Event("order", "o-1", 3, "OrderPlaced", b"{}", {"epoch": 17})
    record = fetched([*to_headers(event, None)])
    first, second = from_record(record), from_record(record)

    first.event.context["epoch"] = 18  # type: ignore[index] # a handler that does what it should not

    assert second.event.context == {"epoch": 17}


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\x02", b"\x02\x04id", b"\x04\x04id\x02a", b"\x02\x04id\x02a!", b"\x02\x04id\x04a"),
        b"\x04\x00\x00\x03",  # a name of length -2 would lead back to itself
        b"\x07\x04id\x48" + b"0" * 32 + b"----" + b"\x08type\x02T\x0eversion\x021",  # -4 headers
    ],
)
def test_damaged_headers_are_refused_when_they_are_read(raw: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        list(RawHeaders(raw))
    with pytest.raises(Undecodable, match="cannot be read"):
        from_record(Record("order", 0, 0, b"o-1", b"{}", RawHeaders(raw), 0))


def test_held_headers_are_a_sequence() -> None:
    headers = fetched([("id", b"1"), ("none", None), ("id", b"2")]).headers

    assert size_of(headers) >= len("idnoneid12")
    assert hash(headers) == hash(fetched([("id", b"1"), ("none", None), ("id", b"2")]).headers)
    assert (len(headers), headers[0], headers[1:]) == (3, ("id", b"1"), [("none", None), ("id", b"2")])
    assert headers == [("id", b"1"), ("none", None), ("id", b"2")]
    assert headers != [("id", b"1")]


LENIENT = [
    ("id", b"+" + b"0" * 31),
    ("id", b"0" * 15 + b"_" + b"0" * 16),
    ("id", "\u0661".encode() * 16),
    ("version", b"+7"),
    ("version", b" 7 "),
    ("version", b"1_0"),
    ("position", b"7/shop:+1:1"),
    ("position", b"7/shop:1_0:1"),
    ("position", b"7/shop:1: 1"),
]


@pytest.mark.parametrize(("name", "value"), LENIENT)
def test_a_number_is_digits_and_nothing_that_python_reads_beside(name: str, value: bytes) -> None:
    """Two texts of one number would be two records of one event, of which one is dropped as a repeat."""
    ours = {"id": b"0" * 32, "type": b"OrderPlaced", "version": b"7", "position": b"7/shop:1:1"}
    headers = list({**ours, name: value}.items())
    for decode in (from_record, header_by_header):
        with pytest.raises(Undecodable):
            decode(fetched(headers))
