"""A thread's own database connection: opened when needed, opened again when lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psycopg
from psycopg.pq import TransactionStatus

from outbox.connection import PsycopgConnection

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
            with connection.transaction():
                connection.execute(_LIMIT_IDLE, [self._idle_ms])
            self._connection = connection
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
