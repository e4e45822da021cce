"""Rows of the outbox table become records; other tables' do not."""

from __future__ import annotations

from uuid import UUID

import pytest

from outbox.errors import ConfigurationError
from outbox.relay.messages import Cell, Insert, Relation
from outbox.relay.rows import COLUMNS, OutboxRows

ID = b"01890a5d-ac96-774b-bcce-b302099a8057"
ROW: dict[str, Cell] = {
    "id": ID,
    "aggregatetype": b"order",
    "aggregateid": b"o-1",
    "aggregate_version": b"3",
    "type": b"OrderPlaced",
    "payload": b"\\x7b7d",
    "context": b"epoch=1",
    "traceparent": None,
    "partition_key": None,
}


def relation(*names: str, schema: str = "outbox", relation_id: int = 7) -> Relation:
    return Relation(relation_id, schema, "outbox", names)


def rows(*names: str) -> OutboxRows:
    made = OutboxRows(topic_prefix="outbox.event.", source="main")
    made.learn(relation(*names))
    return made


def insert(*names: str, **other: Cell) -> Insert:
    row = ROW | other
    return Insert(7, tuple(row.get(name) for name in names))


def test_a_row_becomes_a_record() -> None:
    record = rows(*COLUMNS).record(insert(*COLUMNS), 0x1A2B, 5)

    assert record is not None
    assert (record.topic, record.key, record.value) == ("outbox.event.order", b"o-1", b"{}")
    assert record.headers == [
        ("id", str(UUID(ID.decode())).encode()),
        ("type", b"OrderPlaced"),
        ("version", b"3"),
        ("context", b"epoch=1"),
        ("position", b"main:1A2B:5"),
    ]
    assert record.size_bytes > len(ID) + len(b"o-1{}OrderPlaced")


def test_the_order_of_columns_does_not_matter_and_new_ones_are_ignored() -> None:
    shuffled = ("added_later", *reversed(COLUMNS))

    assert rows(*shuffled).record(insert(*shuffled), 1, 0) == rows(*COLUMNS).record(insert(*COLUMNS), 1, 0)


def test_a_partition_key_takes_the_aggregates_place_as_key() -> None:
    record = rows(*COLUMNS).record(insert(*COLUMNS, partition_key=b"customer-9", traceparent=b"00-ab"), 1, 0)

    assert record is not None
    assert record.key == b"customer-9"
    assert dict(record.headers)["aggregateid"] == b"o-1"
    assert dict(record.headers)["traceparent"] == b"00-ab"


def test_an_empty_context_is_no_header() -> None:
    record = rows(*COLUMNS).record(insert(*COLUMNS, context=b""), 1, 0)

    assert record is not None
    assert "context" not in dict(record.headers)


def test_another_tables_rows_are_not_ours() -> None:
    known = rows(*COLUMNS)
    known.learn(relation(*COLUMNS, schema="elsewhere", relation_id=8))

    assert known.record(Insert(8, ()), 1, 0) is None
    assert known.record(Insert(9, ()), 1, 0) is None


def test_a_table_that_lost_a_column_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without traceparent"):
        rows(*(name for name in COLUMNS if name != "traceparent"))
