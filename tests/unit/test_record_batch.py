"""Record batches: read as kafka-python wrote them; what is damaged is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from outbox.kafka.port import Record
from outbox.kafka.record_batch import decode_records

MAYBE = st.none() | st.binary(max_size=300)
HEADERS = st.lists(st.tuples(st.text(max_size=100), MAYBE), max_size=4)
ROWS = st.lists(st.tuples(MAYBE, MAYBE, HEADERS, st.integers(0, 10**7)), min_size=1, max_size=80)
Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int]
BASE_MS = 1_700_000_000_000


def written(rows: list[Row]) -> DefaultRecordBatch:
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=2**30)
    for key, value, headers, delta_ms in rows:
        builder.append(timestamp=BASE_MS + delta_ms, key=key, value=value, headers=headers)
    builder.close()
    return MemoryRecords(bytes(builder.buffer())).next_batch()


def read(batch: DefaultRecordBatch, *, cut: int = 0, count: int | None = None) -> list[Record]:
    body = bytes(batch._buffer[batch._pos :])
    return decode_records(
        body[: len(body) - cut],
        batch.records_count if count is None else count,
        "order",
        3,
        base_offset=100,
        base_ms=batch.first_timestamp,
        fixed_ms=None,
    )


@given(ROWS)
def test_records_are_read_as_they_were_written(rows: list[Row]) -> None:
    wanted = [
        Record("order", 3, 100 + at, key, value, tuple(headers), BASE_MS + delta_ms)  # type: ignore[arg-type] # null header values exist
        for at, (key, value, headers, delta_ms) in enumerate(rows)
    ]
    assert read(written(rows)) == wanted


@pytest.mark.parametrize(("cut", "count"), [(1, 2), (0, 1), (0, 3)])
def test_a_damaged_batch_is_refused(cut: int, count: int) -> None:
    batch = written([(b"a", b"one", [], 0), (b"b", b"two", [("id", b"2")], 1)])
    with pytest.raises(ValueError, match="record"):
        read(batch, cut=cut, count=count)
    assert len(read(batch)) == 2


def test_the_time_is_the_brokers_where_it_sets_it() -> None:
    batch = written([(b"a", b"one", [], 0), (b"b", b"two", [], 5)])
    body = bytes(batch._buffer[batch._pos :])
    records = decode_records(body, 2, "order", 0, base_offset=0, base_ms=batch.first_timestamp, fixed_ms=7)
    assert [record.timestamp_ms for record in records] == [7, 7]
