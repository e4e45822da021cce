"""Headers are stored in quarantine and shown without loss, whatever another producer wrote."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from outbox.consumer.quarantine.kept_headers import decoded, encoded
from outbox.consumer.quarantine.parked import ParkedRow
from outbox.consumer.quarantine.parked_events import SPOILT, unpack
from outbox.kafka.codec import from_record
from outbox.kafka.headers import RawHeaders, headers_in
from outbox.kafka.port import TopicPartition
from tests.support.kafka.memory import MemoryBroker
from tests.support.kafka.memory_reader import MemoryReader

PLACE = TopicPartition("order", 0)


@given(st.lists(st.tuples(st.binary(max_size=9) | st.just(b"a\x00\\xff\xff"), st.none() | st.binary(max_size=9))))
def test_any_headers_come_back_from_json_that_a_database_takes(headers: list[tuple[bytes, bytes | None]]) -> None:
    read = [one for name, value in headers for one in headers_in(_wire(name) + _wire(value))]
    text = json.dumps(encoded(read), ensure_ascii=False)

    assert decoded(json.loads(text)) == read
    assert text.encode(), "no lone surrogate"
    assert "\\u0000" not in text.replace("\\\\", "")


def test_damaged_headers_come_back_as_damaged_as_they_were() -> None:
    stored = json.loads(json.dumps(encoded(RawHeaders(b"\x02\x04id"))))

    assert isinstance(found := decoded(stored), RawHeaders)
    assert found.raw == b"\x02\x04id"


def test_what_an_earlier_release_stored_is_read() -> None:
    assert decoded([["id", "MQ=="], ["empty", ""]]) == [("id", b"1"), ("empty", b"")]


def test_a_row_that_nobody_can_read_is_a_persons() -> None:
    row = ParkedRow(0, b"a", b"{}", [["id", "A"]], None, None)
    reader = MemoryReader(broker := MemoryBroker())
    broker.create("order", 1)
    broker.append("order", b"a", b"{}")

    assert [one.reason for one in unpack([row], reader, PLACE, from_record)] == [SPOILT]


def _wire(part: bytes | None) -> bytes:
    return b"\x01" if part is None else bytes([2 * len(part)]) + part
