"""pgoutput's messages from bytes written by hand after PostgreSQL's documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.errors import Undecodable
from outbox.relay.messages import UNCHANGED, Begin, Commit, Insert, Message, Relation
from outbox.relay.pgoutput import decode

COMMITTED_AT_US = 1_687_423_915_181_558  # 2023-06-22 08:51:55.181558 UTC
BEGIN = b"B" + bytes.fromhex("0000000001a2b3c8 0002a1b2c3d4e5f6 00000309")
COMMIT = b"C" + bytes.fromhex("00 0000000001a2b3c8 0000000001a2b3f8 0002a1b2c3d4e5f6")
RELATION = (
    b"R" + bytes.fromhex("00004001") + b"outbox\0outbox\0d" + bytes.fromhex("0002")
    + b"\x01id\0" + bytes.fromhex("00000b86 ffffffff")
    + b"\x00payload\0" + bytes.fromhex("00000011 ffffffff")
)  # fmt: skip
ROW = bytes.fromhex("0004") + b"t\0\0\0\x02hi" + b"n" + b"u" + b"b\0\0\0\x01\xff"
CELLS = (b"hi", None, UNCHANGED, b"\xff")
RELATION_ID = bytes.fromhex("00004001")

GOOD: dict[bytes, Message] = {
    BEGIN: Begin(0x1A2B3C8, COMMITTED_AT_US),
    COMMIT: Commit(0x1A2B3F8),
    RELATION: Relation(0x4001, "outbox", "outbox", ("id", "payload")),
    b"I" + RELATION_ID + b"N" + ROW: Insert(0x4001, CELLS),
}
KINDS = {data[:1]: type(message) for data, message in GOOD.items()}


@pytest.mark.parametrize(("data", "message"), GOOD.items(), ids=lambda value: type(value).__name__)
def test_a_message_is_read(data: bytes, message: Message) -> None:
    assert decode(data) == message


def test_a_message_is_read_behind_its_frames_head() -> None:
    assert decode(b"w" + bytes(24) + BEGIN, 25) == GOOD[BEGIN]


@pytest.mark.parametrize("data", GOOD, ids=lambda data: chr(data[0]))
def test_a_cut_message_is_refused(data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(Undecodable):
            decode(data[:end])


@pytest.mark.parametrize("data", GOOD, ids=lambda data: chr(data[0]))
def test_a_message_that_is_too_long_is_refused(data: bytes) -> None:
    with pytest.raises(Undecodable, match="1 bytes before its frame"):
        decode(data + b"\0")


@pytest.mark.parametrize("kind", b"OYUDTM")
def test_what_says_nothing_to_a_relay_is_passed_by(kind: int) -> None:
    assert decode(bytes([kind]) + bytes(20)) is None


@pytest.mark.parametrize("kind", b"SEcAbPKrp")
def test_a_later_protocols_message_is_refused_with_the_way_out(kind: int) -> None:
    with pytest.raises(Undecodable, match="proto_version 1"):
        decode(bytes([kind]) + bytes(20))


def test_an_unknown_message_is_refused() -> None:
    with pytest.raises(Undecodable, match="unknown pgoutput message b'!' of 3 bytes"):
        decode(b"!ab")


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(Undecodable, match="unknown cell kind"):
        decode(b"I" + RELATION_ID + b"N" + b"\0\x01x")


def kind_of(data: bytes) -> object:
    """What it is read as, or the refusal."""
    try:
        message = decode(data)
        return message and type(message)
    except Undecodable:
        return Undecodable


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_mutated_messages_are_read_or_refused(good: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(good) - 1))
    mutated = good[:at] + data.draw(st.binary(max_size=4)) + good[at + 1 :]
    assert kind_of(mutated) in {Undecodable, KINDS.get(mutated[:1])}
