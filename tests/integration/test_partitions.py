"""Daily partitions: made ahead, once, by whoever comes first, and counted for the alarm."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from outbox import Event, append, partitions, uuid7

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
DROP_DAY = "DROP TABLE outbox.outbox_20310508"


def test_days_from_yesterday_on_are_made_once(database: str) -> None:
    with psycopg.connect(database) as connection:
        made = partitions.ensure(connection, days_ahead=2, now=lambda: NOON)

        assert made == ["outbox_20310505", "outbox_20310506", "outbox_20310507", "outbox_20310508"]
        assert partitions.ensure(connection, days_ahead=2, now=lambda: NOON) == []
        assert partitions.days_ahead(connection, now=lambda: NOON) == 2


def test_nothing_is_made_when_the_caller_rolls_back(database: str) -> None:
    with psycopg.connect(database) as connection:
        partitions.ensure(connection, now=lambda: NOON)
        connection.rollback()
        assert partitions.days_ahead(connection, now=lambda: NOON) == -1


def test_a_gap_ends_the_count(database: str) -> None:
    with psycopg.connect(database) as connection:
        partitions.ensure(connection, days_ahead=5, now=lambda: NOON)
        connection.execute(DROP_DAY)
        assert partitions.days_ahead(connection, now=lambda: NOON) == 1


@pytest.mark.parametrize("moment", [timedelta(), timedelta(milliseconds=1), timedelta(days=1, milliseconds=-1)])
def test_an_id_falls_into_its_own_day(database: str, moment: timedelta) -> None:
    at = datetime(2031, 5, 6, tzinfo=UTC) + moment
    event_id = uuid7(round(at.timestamp() * 1000))
    with psycopg.connect(database) as connection:
        partitions.ensure(connection, now=lambda: NOON)
        append(connection, Event("order", "o-1", 1, "OrderPlaced", b"{}", id=event_id))
        found = connection.execute("SELECT tableoid::regclass::text FROM outbox.outbox").fetchone()
    assert found == ("outbox.outbox_20310506",)


def test_makers_that_meet_do_not_fail(database: str) -> None:
    def make(_: int) -> int:
        with psycopg.connect(database, autocommit=True) as connection:
            return len(partitions.ensure(connection, days_ahead=3, now=lambda: NOON))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    with psycopg.connect(database) as connection:
        assert partitions.days_ahead(connection, now=lambda: NOON) == 3


def test_writers_are_not_locked_out_while_a_day_is_made(database: str) -> None:
    with psycopg.connect(database) as connection:
        partitions.ensure(connection)
    with psycopg.connect(database) as writer, psycopg.connect(database) as maker:
        append(writer, Event("order", "o-1", 1, "OrderPlaced", b"{}"))  # holds its locks until the end
        assert partitions.ensure(maker, now=lambda: NOON)
        maker.commit()
        append(writer, Event("order", "o-1", 2, "OrderPlaced", b"{}"))
