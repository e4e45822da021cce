"""The facade's way to PostgreSQL: few connections, each borrowed for a fraction of a millisecond."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import psycopg

from strangler.errors import BadInput, DependencyDown, StranglerError
from strangler.facade.facade_catalogue import Bounded
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.measures import Measures
from strangler.facade.slots import Slots
from strangler.facade.statement import Result, Statement, statement

R = TypeVar("R")

ALIVE = statement("alive", "SELECT 1")
_THEIRS = (psycopg.Error, UnicodeError)


class LoopDatabase:
    """At most `size` connections, the one used last first; whoever comes when all are taken waits up to `wait_s`.

    Of one loop. `ahead`: statements that each connection prepares at once. Each piece of work is on a connection in
    autocommit. `DependencyDown` when the server cannot be asked, or broke off while it was: then nobody knows if the
    work was done. `BadInput` when it takes no such value, whoever asks and however often.
    """

    def __init__(
        self, dsn: str, measures: Measures, *, size: int = 8, wait_s: float = 3.0, ahead: Sequence[Statement] = ()
    ) -> None:
        self._dsn, self._size, self._wait_s, self._ahead = dsn, size, wait_s, ahead
        self._slots = Slots(size, partial(measures.use, Bounded.DATABASE))
        self._idle: list[LoopConnection] = []

    async def run(self, work: Callable[[LoopConnection], Awaitable[R]]) -> R:
        """What `work` says. Its connection is used again only if it says something."""
        connection = await self._take()
        try:
            said = await work(connection)
        except BaseException as error:
            self._drop(connection)
            if isinstance(error, _THEIRS):
                raise _in_our_words(error) from error
            raise
        self._give(connection)
        return said

    async def begin(
        self, statement: Statement, values: Mapping[str, object], told: Callable[[Result | StranglerError], None]
    ) -> None:
        """A statement that is the server's when this returns, whatever becomes of this process; `told` hears the
        result, or why there is none.
        """
        connection = await self._take()
        try:
            await connection.prepare(statement)
            begun = connection.begin(statement, values)
            if not connection.sent:
                await asyncio.wait([begun])
        except BaseException as error:
            self._drop(connection)
            if isinstance(error, _THEIRS):
                raise _in_our_words(error) from error
            raise
        begun.add_done_callback(partial(self._told, connection, told))

    async def answers(self) -> bool:
        """Whether it can be asked now."""
        try:
            await self.run(lambda connection: connection.ask(ALIVE))
        except StranglerError:
            return False
        return True

    async def close(self, within_s: float) -> bool:
        """Whether all that was begun came to its end in time. What is idle is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for _ in range(self._size):
                    await self._slots.take(within_s)
                self._close_idle()
                return True
        self._close_idle()
        return False

    async def _take(self) -> LoopConnection:
        if not await self._slots.take(self._wait_s):
            raise DependencyDown(f"PostgreSQL is too slow: no connection became free within {self._wait_s:g} s")
        try:
            while self._idle:
                connection = self._idle.pop()
                if connection.usable:
                    return connection
                connection.close()
            return await LoopConnection.open(self._dsn, asyncio.get_running_loop(), self._ahead)
        except BaseException as error:
            self._slots.give()
            if isinstance(error, _THEIRS):
                raise _in_our_words(error) from error
            raise

    def _give(self, connection: LoopConnection) -> None:
        self._idle.append(connection)
        self._slots.give()

    def _drop(self, connection: LoopConnection) -> None:
        connection.close()
        self._slots.give()

    def _told(
        self,
        connection: LoopConnection,
        told: Callable[[Result | StranglerError], None],
        begun: asyncio.Future[Result],
    ) -> None:
        try:
            said: Result | StranglerError = begun.result()
        except psycopg.Error as error:
            self._drop(connection)
            said = _in_our_words(error)
        else:
            self._give(connection)
        told(said)

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _in_our_words(error: psycopg.Error | UnicodeError) -> StranglerError:
    if isinstance(error, psycopg.DataError | psycopg.errors.ProgramLimitExceeded | UnicodeError):
        return BadInput(f"PostgreSQL takes no such value: {type(error).__name__}")
    return DependencyDown(f"PostgreSQL: {type(error).__name__}; check STRANGLER_DSN and the server")
