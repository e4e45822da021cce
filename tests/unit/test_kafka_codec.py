"""An event survives its way through a Kafka record; what is none is refused without showing it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox import Event, uuid7
from outbox.errors import Undecodable
from outbox.event import SourcePosition
from outbox.kafka.codec import from_record, to_headers
from outbox.kafka.port import Record

TEXT = st.text(min_size=1, max_size=30).filter(lambda text: "\x00" not in text)
ASCII = st.text(string.ascii_letters + string.digits + " /:", min_size=1, max_size=20)
EVENTS = st.builds(
    Event,
    aggregate_type=st.sampled_from(["order", "stock_level"]),
    aggregate_id=TEXT,
    aggregate_version=st.integers(1, 2**63 - 1),
    type=TEXT,
    payload=st.binary(max_size=100),
    context=st.dictionaries(st.sampled_from(["epoch", "ownership", "class"]), st.integers(0, 999) | ASCII),
    traceparent=st.none() | ASCII,
    partition_key=st.none() | TEXT,
)
POSITION = SourcePosition("main", 0x1A2B3C, 4)


def record_of(event: Event, position: SourcePosition | None = POSITION) -> Record:
    key = event.aggregate_id if event.partition_key is None else event.partition_key
    topic = f"outbox.event.{event.aggregate_type}"
    return Record(topic, 3, 42, key.encode(), event.payload, to_headers(event, position), 0)


@given(EVENTS, st.sampled_from([POSITION, None]))
def test_an_event_is_received_as_it_was_sent(event: Event, position: SourcePosition | None) -> None:
    received = from_record(record_of(event, position))

    assert received.event == event
    assert (received.topic, received.partition, received.offset) == (f"outbox.event.{event.aggregate_type}", 3, 42)
    assert received.position == position


def test_the_headers_are_few_and_readable() -> None:
    event_id = uuid7(1_700_000_000_000)
    event = Event("order", "o-1", 2, "OrderPlaced", b"{}", {"epoch": 17, "ownership": "mail=new"}, id=event_id)

    assert to_headers(event, POSITION) == [
        ("id", str(event_id).encode()),
        ("type", b"OrderPlaced"),
        ("version", b"2"),
        ("context", b'epoch=17, ownership="mail=new"'),
        ("position", b"main:1A2B3C:4"),
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"type": None},
        {"version": None},
        {"id": b"not-a-uuid"},
        {"version": b"0"},
        {"version": b"two"},
        {"type": b"\xff"},
        {"context": b"A=1"},
        {"position": b"main"},
        {"position": b"main:8000000000000000:0"},
        {"position": b"main:-1:0"},
        {"position": b"main:1:4294967296"},
        {"position": b"ma\x00in:1:0"},
    ],
)
def test_a_record_without_an_event_is_refused_by_its_place_alone(broken: dict[str, bytes | None]) -> None:
    good = record_of(Event("order", "secret-key", 1, "OrderPlaced", b"secret-payload"))
    headers = [(name, value) for name, value in (dict(good.headers) | broken).items() if value is not None]

    with pytest.raises(Undecodable, match=r"outbox\.event\.order/3@42") as refused:
        from_record(good._replace(headers=headers))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"key": None}, "no key or no value"),
        ({"value": None}, "no key or no value"),
        ({"key": b"\xff\xfe"}, "not UTF-8"),
    ],
)
def test_a_record_without_key_or_value_is_refused(broken: dict[str, bytes | None], why: str) -> None:
    good = record_of(Event("order", "o-1", 1, "OrderPlaced", b"{}"))

    with pytest.raises(Undecodable, match=rf"outbox\.event\.order/3@42 .*{why}"):
        from_record(Record(**(good._asdict() | broken)))


def test_headers_of_others_are_left_alone() -> None:
    good = record_of(Event("order", "o-1", 1, "OrderPlaced", b"{}"))

    assert from_record(good._replace(headers=[*good.headers, ("x-other", b"\xff")])).event.type == "OrderPlaced"


@pytest.mark.parametrize("name", ["id", "type", "version"])
def test_a_header_without_a_value_is_refused(name: str) -> None:
    good = record_of(Event("order", "o-1", 1, "OrderPlaced", b"{}"))
    headers = [(known, None if known == name else value) for known, value in good.headers]

    with pytest.raises(Undecodable, match="not an event"):
        from_record(good._replace(headers=headers))  # type: ignore[arg-type] # Kafka allows it, our types do not
