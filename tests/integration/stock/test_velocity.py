"""Velocity as both owners count it: each order once, its customer's others in turn, and none beyond the limits."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest

from legacy_app.plan.authority import velocity
from legacy_app.rehearsal.accounts.velocity_account import VelocityAccount, account_for_velocity
from new_services.fraud.tiers import MOST_MINOR, MOST_ORDERS, Velocity
from outbox.connection import PsycopgConnection
from strangler.shared_state import AuthorityMoved, Holder, WantedMove, move
from tests.integration.stock.rig import until_blocked

COUNT: LiteralString = "SELECT counted, recent_orders, recent_minor FROM fraud.count_order(%s, %s, %s)"
KEPT: LiteralString = """
SELECT 'legacy', order_ref FROM legacy.velocity UNION ALL SELECT 'new', order_ref FROM fraud.velocity ORDER BY 1, 2"""
PAST: LiteralString = """
INSERT INTO legacy.velocity
SELECT 'past-' || n, %s, %s, now() - %s * interval '1 min' FROM generate_series(1, %s) AS n"""
ORDER: LiteralString = """
INSERT INTO legacy.orders (order_ref, client_ref, channel, customer_id, country, placed_at, status, total_minor)
VALUES (%s, '', 'web', '17', '', '', 'placed', 0)"""
LINE: LiteralString = "INSERT INTO legacy.order_line VALUES (%s, 0, 'A', '', 2, 0, 50)"
TO_NEW = WantedMove("velocity", velocity, ("fraud",), Holder.NEW, "ann", "fraud is live")


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


def count(connection: PsycopgConnection, ref: str, customer: str | None = "17", minor: int = 100) -> tuple[object, ...]:
    [answer] = connection.execute(COUNT, (ref, customer, minor)).fetchall()
    return answer


def test_an_order_is_counted_once_and_told_what_came_before_it(connection: PsycopgConnection) -> None:
    assert count(connection, "one", minor=30) == (True, 0, 0)
    assert count(connection, "two", minor=50) == (True, 1, 30)
    assert count(connection, "other", "18") == (True, 0, 0)
    assert count(connection, "guest", None) == (True, None, None)
    assert count(connection, "one", minor=30) == (True, 0, 0)
    assert count(connection, "three") == (True, 2, 80)
    assert connection.execute(KEPT).fetchall() == [("legacy", ref) for ref in ("one", "other", "three", "two")]


def test_what_is_older_than_an_hour_is_forgotten(connection: PsycopgConnection) -> None:
    connection.execute(PAST, ("17", 10, 61, 5))
    assert count(connection, "now") == (True, 0, 0)


@pytest.mark.parametrize(
    ("orders", "each_minor", "minor"),
    [(MOST_ORDERS - 1, 1, 1), (MOST_ORDERS, 1, 1), (1, MOST_MINOR - 10, 10), (1, MOST_MINOR - 10, 11)],
)
def test_the_limits_are_those_that_a_shadow_judges_by(
    connection: PsycopgConnection, orders: int, each_minor: int, minor: int
) -> None:
    connection.execute(PAST, ("17", each_minor, 5, orders))
    refused = Velocity(orders, orders * each_minor).too_much(minor)
    assert count(connection, "now", minor=minor) == (not refused, orders, orders * each_minor)
    assert (("legacy", "now") in connection.execute(KEPT).fetchall()) is not refused


def test_orders_of_a_customer_take_turns_and_a_rollback_was_never_there(database: str) -> None:
    with (
        psycopg.connect(database) as first,
        psycopg.connect(database) as second,
        psycopg.connect(database) as third,
        psycopg.connect(database, autocommit=True) as watch,
        ThreadPoolExecutor(2) as pool,
    ):
        count(first, "one")
        waiting = pool.submit(count, second, "two")
        until_blocked(watch, second)
        assert count(third, "other", "18") == (True, 0, 0)
        first.rollback()
        assert waiting.result(30) == (True, 0, 0)
        waiting = pool.submit(count, third, "three")
        until_blocked(watch, third)
        second.commit()
        assert waiting.result(30) == (True, 1, 100)


def test_velocity_moves_with_its_past_and_goes_on_at_its_new_holder(connection: PsycopgConnection) -> None:
    count(connection, "one")
    moved = move(connection, TO_NEW)
    assert isinstance(moved, AuthorityMoved)
    assert moved.evidence["sums"] == {side: {"orders": 1, "minor": 100} for side in ("legacy", "new")}
    assert count(connection, "one") == (True, 0, 0)
    assert count(connection, "two") == (True, 1, 100)
    assert connection.execute(KEPT).fetchall() == [("legacy", "one"), ("new", "one"), ("new", "two")]


def test_a_snapshot_that_could_miss_a_move_is_refused(connection: PsycopgConnection) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with (
        connection.transaction(),
        pytest.raises(psycopg.errors.FeatureNotSupported, match="velocity is written in READ COMMITTED only"),
    ):
        count(connection, "one")


def test_an_order_that_is_not_counted_as_it_is_and_a_count_without_an_order_are_seen(
    connection: PsycopgConnection,
) -> None:
    for ref in ("good", "wrong", "forgotten"):
        connection.execute(ORDER, (ref,))
        connection.execute(LINE, (ref,))
    count(connection, "good")
    count(connection, "wrong", minor=99)
    count(connection, "ghost")
    assert account_for_velocity(connection) == VelocityAccount(uncounted=2, unwanted=1)
