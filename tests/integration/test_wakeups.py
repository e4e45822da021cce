"""Wake-ups of waiting requests: heard by the right thread, before or after it waits, and over a lost connection."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import psycopg2
import pytest

from outbox.connection import PsycopgConnection
from strangler.continuation.table import wake
from strangler.continuation.wakeups import Wakeups
from tests.support.waiting import wait_until

NAME = "wakeups_of_a_test"
LISTENING = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'LISTEN%%' AND state = 'idle'"


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


@pytest.fixture(params=[psycopg, psycopg2], ids=["psycopg", "psycopg2"])
def wakeups(request: pytest.FixtureRequest, database: str) -> Iterator[Wakeups]:
    opened = Wakeups(lambda: request.param.connect(database, application_name=NAME))
    yield opened
    opened.close()


def listening(connection: PsycopgConnection) -> list[int]:
    return [pid for (pid,) in connection.execute(LISTENING, (NAME,))]


def test_only_who_waits_for_the_order_is_woken(connection: PsycopgConnection, wakeups: Wakeups) -> None:
    assert wakeups.wait("warm-up", 30)  # all who wait while the connection is opened are woken once
    with ThreadPoolExecutor(2) as pool:
        meant, other = pool.submit(wakeups.wait, "a", 30), pool.submit(wakeups.wait, "b", 0.5)
        wake(connection, ["a"])
        assert meant.result(30)
        assert not other.result(30)


def test_a_wake_up_that_comes_before_the_wait_is_not_lost(connection: PsycopgConnection, wakeups: Wakeups) -> None:
    assert wakeups.wait("warm-up", 30)
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(wakeups.wait, "marker", 30)
        wake(connection, ["early", "marker"])
        assert heard.result(30)
    assert wakeups.wait("early", 0)
    assert not wakeups.wait("early", 0)


def test_after_a_lost_connection_all_are_woken_and_it_listens_again(
    connection: PsycopgConnection, wakeups: Wakeups
) -> None:
    assert wakeups.wait("warm-up", 30)
    (lost,) = listening(connection)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wakeups.wait, "a", 30)
        wait_until(lambda: "a" in wakeups._waiting)
        connection.execute("SELECT pg_terminate_backend(%s)", (lost,))
        assert waiting.result(30)
    wait_until(lambda: bool(set(listening(connection)) - {lost}))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wakeups.wait, "b", 30)
        wake(connection, ["b"])
        assert waiting.result(30)
