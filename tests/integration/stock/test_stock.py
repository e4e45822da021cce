"""Stock: an order gets all of its pieces or none, once, and nobody gets a piece that is not there."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from tests.integration.stock.rig import deliver, give_back, held, on_hand, reserve

HOLDERS = ("legacy", "new")


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


@pytest.mark.parametrize("holder", HOLDERS)
def test_each_order_of_a_batch_gets_its_pieces_from_whoever_holds_the_stock(
    connection: PsycopgConnection, holder: str
) -> None:
    deliver(connection, holder, {"A": 10, "B": 5})

    assert reserve(connection, ("two", "A", 3), ("one", "A", 2), ("one", "B", 5)) == [
        ("two", None, None),
        ("one", None, None),
    ]

    assert on_hand(connection, holder) == {"A": 5, "B": 0}
    assert on_hand(connection, HOLDERS[holder == "legacy"]) == {}
    assert held(connection) == {"A": 5, "B": 5}


def test_without_a_row_legacy_holds_the_stock(connection: PsycopgConnection) -> None:
    reserve(connection, ("one", "A", 3))
    assert on_hand(connection, "legacy") == {"A": 999_997}


@pytest.mark.parametrize("holder", HOLDERS)
def test_an_order_that_is_short_of_one_sku_takes_none(connection: PsycopgConnection, holder: str) -> None:
    deliver(connection, holder, {"A": 10, "B": 4, "C": 0})

    answers = reserve(
        connection,
        *[("big", "A", 1), ("big", "C", 2), ("big", "B", 6)],  # short of two: the first in SKU order is named
        *[("small", "B", 4), ("small", "A", 9)],
        ("late", "B", 1),
        ("last", "A", 1),
    )

    assert answers == [("big", "B", 2), ("small", None, None), ("late", "B", 1), ("last", None, None)]
    assert on_hand(connection, holder) == {"A": 0, "B": 0, "C": 0}
    assert held(connection) == {"A": 10, "B": 4}


@pytest.mark.parametrize("holder", HOLDERS)
def test_a_repeated_order_holds_what_it_held(connection: PsycopgConnection, holder: str) -> None:
    deliver(connection, holder, {"A": 4})
    reserve(connection, ("one", "A", 3))

    assert reserve(connection, ("one", "A", 3), ("two", "A", 1)) == [("one", None, None), ("two", None, None)]
    assert on_hand(connection, holder) == {"A": 0}


def test_a_refused_order_may_come_again(connection: PsycopgConnection) -> None:
    deliver(connection, "new", {"A": 4})
    reserve(connection, ("one", "A", 3))
    assert reserve(connection, ("two", "A", 2)) == [("two", "A", 1)]

    give_back(connection, "one", 200, {"A": 1})
    assert reserve(connection, ("two", "A", 2)) == [("two", None, None)]


@pytest.mark.parametrize("holder", HOLDERS)
def test_pieces_are_given_back_once_for_each_number(connection: PsycopgConnection, holder: str) -> None:
    deliver(connection, holder, {"A": 10, "B": 10})
    reserve(connection, ("one", "A", 6), ("one", "B", 2))

    for _ in range(2):
        give_back(connection, "one", 200, {"A": 1})
        give_back(connection, "one", 150, {"B": 2, "A": 5})

    assert on_hand(connection, holder) == {"A": 10, "B": 10}
    assert held(connection) == {}


def test_nobody_gets_back_more_than_the_order_holds(connection: PsycopgConnection) -> None:
    deliver(connection, "new", {"A": 10})
    reserve(connection, ("one", "A", 6))
    give_back(connection, "one", 200, {"A": 4})

    with pytest.raises(psycopg.errors.CheckViolation, match="order one would give back 3 of A, holds 2"):
        give_back(connection, "one", 150, {"A": 3})

    assert on_hand(connection, "new") == {"A": 8}


def test_an_order_of_before_the_holds_is_believed(connection: PsycopgConnection) -> None:
    deliver(connection, "legacy", {"A": 10})
    give_back(connection, "old", 200, {"A": 4})
    assert on_hand(connection, "legacy") == {"A": 14}


def test_a_sku_may_stand_on_many_lines(connection: PsycopgConnection) -> None:
    deliver(connection, "new", {"A": 10})
    assert reserve(connection, ("one", "A", 6), ("one", "A", 5)) == [("one", "A", 1)]
    assert reserve(connection, ("one", "A", 6), ("one", "A", 4)) == [("one", None, None)]


def test_nothing_wanted_is_nothing_done(connection: PsycopgConnection) -> None:
    assert reserve(connection) == []
    give_back(connection, "one", 200, {})


@pytest.mark.parametrize(
    "arrays",
    [
        (["one"], ["A"], [0]),
        (["one"], ["A"], [-1]),
        (["one"], ["A", "B"], [1, 1]),
        (["one", "two"], ["A", "B"], [1]),
        (["one"], [None], [1]),
    ],
)
def test_what_is_no_batch_is_refused(connection: PsycopgConnection, arrays: tuple[list[object], ...]) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="arrays of one length"):
        connection.execute("SELECT inventory.reserve_stock(%s::text[], %s::text[], %s::bigint[])", arrays)


def test_the_number_that_takes_gives_nothing_back(connection: PsycopgConnection) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="100 is the number that takes"):
        give_back(connection, "one", 100, {"A": 1})


def test_an_older_snapshot_is_refused_as_it_would_miss_a_move(connection: PsycopgConnection) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with connection.transaction(), pytest.raises(psycopg.errors.FeatureNotSupported, match="READ COMMITTED"):
        reserve(connection, ("one", "A", 1))
