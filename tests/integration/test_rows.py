"""Rows of a projection: the newest version of each key stays, and the judge reads what is there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from strangler import Rows
from strangler.facts import KIND, TARGET, Fact
from strangler.step.apply import NumberedWrite
from strangler.step.intents import Json, Write
from tests.integration.contexts import connect

pytestmark = pytest.mark.no_kafka

TABLE = "CREATE TABLE search.seat (ref text PRIMARY KEY, version bigint, desk integer, tags jsonb, seen_at timestamptz)"
MARKS = {KIND: "write", TARGET: "seat"}
SEATS = Rows("seat", "ref", {"version": "bigint", "desk": "integer", "tags": "jsonb"}, touched="seen_at")


def write(ref: str, version: int, /, **values: Json) -> NumberedWrite:
    return NumberedWrite(ref, version, 100 * version, Write("seat", values))


def seats(database: str) -> Mapping[str, Fact]:
    with connect(database, "search") as connection:
        return {fact.subject_ref: fact for fact in SEATS.facts(connection)}


@pytest.fixture
def table(database: str) -> str:
    with connect(database, "search") as connection:
        connection.execute(TABLE)
    return database


def test_the_newest_version_of_each_key_stays_in_a_batch_and_between_batches(table: str) -> None:
    with connect(table, "search") as connection:
        SEATS(
            connection,
            [write("b", 2, desk=4, tags=["x"]), write("a", 1, desk=1, tags=[]), write("b", 1, desk=3, tags=[])],
        )
    with connect(table, "search") as connection:
        SEATS(connection, [write("b", 1, desk=9, tags=[]), write("a", 3, desk=2, tags={"k": 1})])
    assert seats(table) == {
        "a": Fact("a", 300, 3, {"ref": "a", "version": 3, "desk": 2, "tags": {"k": 1}, **MARKS}),
        "b": Fact("b", 200, 2, {"ref": "b", "version": 2, "desk": 4, "tags": ["x"], **MARKS}),
    }


def test_a_key_of_its_own_may_stand_in_what_is_written(table: str) -> None:
    with connect(table, "search") as connection:
        SEATS(connection, [write("a", 1, ref="a/1", desk=1, tags=[]), write("a", 1, ref="a/2", desk=2, tags=[])])
    assert [(ref, fact.fields["desk"]) for ref, fact in sorted(seats(table).items())] == [("a/1", 1), ("a/2", 2)]


def test_a_body_that_is_kept_whole_is_what_the_judge_reads(database: str) -> None:
    documents = Rows("document", "order_ref", {"version": "bigint", "body": "jsonb"}, touched="indexed_at")
    with connect(database, "search") as connection:
        documents(connection, [NumberedWrite("a", 2, 200, Write("document", {"total": 5}))])
        assert list(documents.facts(connection)) == [Fact("a", 200, 2, {"total": 5, KIND: "write", TARGET: "document"})]


def test_another_table_is_refused(table: str) -> None:
    with connect(table, "search") as connection, pytest.raises(ValueError, match="writes 'seat', not 'sofa'"):
        SEATS(connection, [NumberedWrite("a", 1, 100, Write("sofa", {}))])
