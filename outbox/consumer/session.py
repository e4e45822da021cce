"""A thread's own database connection: opened when needed, opened again when lost."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator

import psycopg
from psycopg.pq import TransactionStatus

from outbox.connection import PsycopgConnection
from outbox.consumer.own_transaction import guard

Connect = Callable[[], PsycopgConnection]

# A stopped process must not hold its row locks for ever: PostgreSQL ends such a transaction.
_LIMIT_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', %s, false)"


class Session:
    """One connection at a time, for one thread."""

    def __init__(self, connect: Connect, transaction_idle_s: float) -> None:
        self._connect, self._idle_ms = connect, str(round(transaction_idle_s * 1000))
        self._connection: PsycopgConnection | None = None

    def connection(self) -> PsycopgConnection:
        """The open connection, outside any transaction."""
        if self._connection is None or self._connection.closed:
            connection = self._connect()
            try:
                with connection.transaction():
                    connection.execute(_LIMIT_IDLE, [self._idle_ms])
            except BaseException:
                connection.close()
                raise
            self._connection = guard(connection)
        return self._connection

    def recover(self) -> None:
        """After an error: keep the connection only if it is sound and outside any transaction."""
        connection = self._connection
        if connection is not None and connection.info.transaction_status is not TransactionStatus.IDLE:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


class Sessions:
    """So many sessions for more threads. A thread that ends closes one."""

    def __init__(self, make: Callable[[], Session], count: int) -> None:
        self._free: queue.LifoQueue[Session] = queue.LifoQueue()
        self.count = count
        for _ in range(count):
            self._free.put(make())

    @property
    def in_use(self) -> int:
        """About as many as a thread has now."""
        return max(0, self.count - self._free.qsize())

    @contextlib.contextmanager
    def one(self) -> Iterator[Session]:
        """For this thread alone, as long as it is needed; waits while all are taken."""
        session = self._free.get()
        try:
            yield session
        finally:
            self._free.put(session)

    def close_one(self) -> None:
        """Of those that are free; none is left when as many threads have ended as there were sessions."""
        with contextlib.suppress(queue.Empty):
            self._free.get_nowait().close()
