"""A connection to PostgreSQL on the loop. A statement is on its way when it is begun; its result is awaited later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Self

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from outbox.connection import with_options
from strangler.facade.link import Silence
from strangler.facade.statement import Result, Statement

CONNECT_TIMEOUT_S = 3
# A pin needs a snapshot younger than its lock, so READ COMMITTED; it waits behind a move, which gives up after 5 s.
OPTIONS = r"-c statement_timeout=8s -c default_transaction_isolation=read\ committed"
SILENCE_MS = 9_000  # a server that vanished without a word is noticed then, not by TCP's patience
LATE_S = 10.0  # after the server would have given up

_TICK_S = 0.001  # of uvloop's clock
_SAID = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class LoopConnection:
    """In autocommit, of one task at a time; psycopg's errors, after which nothing more can be asked.

    libpq through `psycopg.pq`, for psycopg's own `AsyncConnection` takes 0.2 ms longer for each statement.
    """

    def __init__(self, connection: psycopg.AsyncConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._pg, self._loop = connection.pgconn, loop
        self._values = Transformer(connection)
        self._prepared: set[bytes] = set()
        self._asked: asyncio.Future[Result] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._late_at = 0.0
        self._said: PGresult | None = None
        self._writes = False
        self.closed = False
        self._pg.nonblocking = 1
        self._socket = self._pg.socket
        self._silence = Silence(self._socket)
        loop.add_reader(self._socket, self._readable)

    @classmethod
    async def open(cls, dsn: str, loop: asyncio.AbstractEventLoop, ahead: Sequence[Statement] = ()) -> Self:
        """`ahead`: prepared at once."""
        connection = await psycopg.AsyncConnection.connect(
            dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=with_options(dsn, OPTIONS),
            application_name="strangler-facade",
            tcp_user_timeout=SILENCE_MS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=2,
        )
        own = cls(connection, loop)
        try:
            for each in ahead:
                await own.prepare(each)
        except BaseException:
            own.close()
            raise
        return own

    @property
    def usable(self) -> bool:
        """Nothing has come on it since it is idle: that would be a goodbye, or out of step."""
        return not self.closed and bool(self._silence)

    @property
    def sent(self) -> bool:
        """The server's, or the network's, is all of what was begun."""
        return not self._writes

    async def prepare(self, statement: Statement) -> None:
        """Once for each connection."""
        if statement.name not in self._prepared:
            self._pg.send_prepare(statement.name, statement.text)
            await self._begun()
            self._prepared.add(statement.name)

    async def ask(self, statement: Statement, values: Mapping[str, object] | None = None) -> Result:
        """Its result."""
        await self.prepare(statement)
        return await self.begin(statement, values or {})

    def begin(self, statement: Statement, values: Mapping[str, object]) -> asyncio.Future[Result]:
        """Of a statement that is prepared. On its way when this returns, but for what `sent` says."""
        placed = statement.placed(values)
        formats = [PyFormat.BINARY if isinstance(value, bytes) else PyFormat.TEXT for value in placed]
        dumped = self._values.dump_sequence(placed, formats)
        self._pg.send_query_prepared(statement.name, dumped, self._values.formats)
        return self._begun()

    def close(self) -> None:
        """Hang up at once."""
        self._fail(psycopg.OperationalError("the connection was closed"))

    def _begun(self) -> asyncio.Future[Result]:
        self._asked, self._late_at = self._loop.create_future(), self._loop.time() + LATE_S
        if self._late is None:
            self._late = self._loop.call_at(self._late_at, self._look)
        self._push()
        return self._asked

    def _push(self) -> None:
        """What does not fit waits for the server to read; it may speak meanwhile, and is heard."""
        waits = self._pg.flush() == 1
        if waits and not self._writes:
            self._loop.add_writer(self._socket, self._writable)
        elif self._writes and not waits:
            self._loop.remove_writer(self._socket)
        self._writes = waits

    def _writable(self) -> None:
        try:
            self._push()
        except psycopg.Error as error:
            self._fail(error)

    def _readable(self) -> None:
        if self._asked is None:
            self._fail(psycopg.OperationalError("it spoke without being asked"))
            return
        try:
            self._pg.consume_input()
            while not self._pg.is_busy():
                result = self._pg.get_result()
                if result is None:
                    self._settle()
                    return
                self._said = result
        except psycopg.Error as error:
            self._fail(error)

    def _look(self) -> None:
        """One timer for many statements, of which nearly all end long before it."""
        self._late = None
        if self._asked is not None:
            if self._loop.time() >= self._late_at - _TICK_S:
                self._fail(psycopg.OperationalError(f"silent for {LATE_S:g} s"))
            else:
                self._late = self._loop.call_at(self._late_at, self._look)

    def _settle(self) -> None:
        said, self._said = self._said, None
        if said is None or said.status not in _SAID:
            error = psycopg.OperationalError("no result")
            self._fail(error if said is None else psycopg.errors.error_from_result(said, self._values.encoding))
            return
        rows: list[tuple[object, ...]] = []
        if said.ntuples:
            self._values.set_pgresult(said)
            rows = self._values.load_rows(0, said.ntuples, tuple)
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_result(Result(rows, said.command_tuples or 0))

    def _fail(self, error: psycopg.Error) -> None:
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._pg.finish()
            if self._late is not None:
                self._late.cancel()
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_exception(error)
