"""The facade's connections to PostgreSQL on the loop: bounded, sent before they are awaited, dropped when in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, DependencyDown, StranglerError
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.measures import Unmeasured
from strangler.facade.statement import Result, statement
from tests.support.waiting import wait_until

R = TypeVar("R")

ECHO = statement(
    "echo", "SELECT %(text)s::text, %(body)s::bytea, %(list)s::text[], %(number)s::int, %(truth)s::bool, %(none)s::text"
)
LOCK = statement("lock", "SELECT pg_advisory_lock(%(key)s)")
PID = statement("pid", "SELECT pg_backend_pid()")
KEEP = statement("keep", "INSERT INTO loop_kept VALUES (%(body)s)")
BROKEN = statement("broken", "SELECT 1 / %(zero)s::int")
VALUES = {"text": "ä", "body": b"\0\xff", "list": ["a", 'b,"{'], "number": 7, "truth": True, "none": None}


def on_database(dsn: str, work: Callable[[LoopDatabase], Awaitable[R]], size: int = 1, wait_s: float = 0.05) -> R:
    async def run() -> R:
        database = LoopDatabase(dsn, Unmeasured(), size=size, wait_s=wait_s)
        try:
            return await work(database)
        finally:
            assert await database.close(30)

    return asyncio.run(run())


async def backend(database: LoopDatabase) -> int:
    return int((await database.run(lambda connection: connection.ask(PID))).rows[0][0])


def test_values_come_back_as_they_were_sent(dsn: str) -> None:
    async def work(database: LoopDatabase) -> Result:
        return await database.run(lambda connection: connection.ask(ECHO, VALUES))

    assert on_database(dsn, work) == Result([tuple(VALUES.values())], 1)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_postgresql_cannot_store_is_the_callers_fault(dsn: str, text: str) -> None:
    async def work(database: LoopDatabase) -> int:
        with pytest.raises(BadInput, match="no such value"):
            await database.run(lambda connection: connection.ask(ECHO, {**VALUES, "text": text}))
        return await backend(database)

    assert on_database(dsn, work)


def test_whoever_finds_all_connections_taken_is_refused_in_time(dsn: str, connection: PsycopgConnection) -> None:
    async def work(database: LoopDatabase) -> None:
        connection.execute("SELECT pg_advisory_lock(77)")
        waiting = asyncio.create_task(database.run(lambda one: one.ask(LOCK, {"key": 77})))
        await asyncio.sleep(0)
        with pytest.raises(DependencyDown, match="too slow"):
            await backend(database)
        connection.execute("SELECT pg_advisory_unlock(77)")
        await waiting
        assert await backend(database)

    on_database(dsn, work)


def test_a_connection_is_used_again_unless_it_failed(dsn: str) -> None:
    async def work(database: LoopDatabase) -> None:
        first = await backend(database)
        assert await backend(database) == first
        with pytest.raises(BadInput, match="DivisionByZero"):
            await database.run(lambda connection: connection.ask(BROKEN, {"zero": 0}))
        assert await backend(database) != first

    on_database(dsn, work)


@pytest.mark.parametrize("idle", [True, False])
def test_a_server_that_hangs_up_costs_one_connection(dsn: str, connection: PsycopgConnection, idle: bool) -> None:
    async def work(database: LoopDatabase) -> None:
        pid = await backend(database)
        connection.execute("SELECT pg_advisory_lock(78)")
        asked = None if idle else asyncio.create_task(database.run(lambda one: one.ask(LOCK, {"key": 78})))
        await asyncio.sleep(0)
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
        if asked is not None:
            with pytest.raises(DependencyDown, match="check STRANGLER_DSN"):
                await asked
        connection.execute("SELECT pg_advisory_unlock(78)")
        assert await backend(database) != pid

    on_database(dsn, work)


@pytest.mark.parametrize("size", [10, 20_000_000])
def test_what_is_begun_is_the_servers_before_anybody_waits_for_it(
    dsn: str, connection: PsycopgConnection, size: int
) -> None:
    """Also where it is more than a socket takes. The loop stands still from then on."""
    connection.execute("CREATE TABLE IF NOT EXISTS loop_kept (body bytea)")
    connection.execute("TRUNCATE loop_kept")
    told: list[Result | StranglerError] = []

    async def work(database: LoopDatabase) -> None:
        await database.begin(KEEP, {"body": b"x" * size}, told.append)
        kept = "SELECT sum(length(body)) FROM loop_kept"
        wait_until(lambda: connection.execute(kept).fetchone() == (size,))  # blocks: this task is all that runs
        assert told == []

    on_database(dsn, work)
    assert told == [Result([], 1)]


def test_what_was_begun_and_failed_is_told(dsn: str) -> None:
    told: list[Result | StranglerError] = []

    async def work(database: LoopDatabase) -> None:
        await database.begin(BROKEN, {"zero": 0}, told.append)

    on_database(dsn, work)
    assert [type(one) for one in told] == [BadInput]


def test_a_database_that_is_away_is_told_as_that() -> None:
    async def work(database: LoopDatabase) -> None:
        assert not await database.answers()
        with pytest.raises(DependencyDown, match="check STRANGLER_DSN"):
            await backend(database)

    on_database("postgresql://127.0.0.1:1/none", work)


def test_work_that_is_given_up_gives_its_place_back(dsn: str, connection: PsycopgConnection) -> None:
    async def work(database: LoopDatabase) -> None:
        connection.execute("SELECT pg_advisory_lock(79)")
        waiting = asyncio.create_task(database.run(lambda one: one.ask(LOCK, {"key": 79})))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        connection.execute("SELECT pg_advisory_unlock(79)")
        assert await backend(database)

    on_database(dsn, work)
