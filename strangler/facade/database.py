"""The facade's way to PostgreSQL: few connections, each borrowed for a fraction of a millisecond."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import psycopg

from outbox.connection import PsycopgConnection, with_options
from strangler.errors import BadInput, DependencyDown, StranglerError
from strangler.facade.facade_catalogue import Bounded
from strangler.facade.measures import Measures
from strangler.facade.pool import Pool, PoolExhausted, silent

R = TypeVar("R")

CONNECT_TIMEOUT_S = 3
# A pin needs a snapshot younger than its lock, so READ COMMITTED; it waits behind a move, which gives up after 5 s.
OPTIONS = r"-c statement_timeout=8s -c default_transaction_isolation=read\ committed"
SILENCE_MS = 9_000  # a server that vanished without a word is noticed then, not by TCP's patience


class Database:
    """Runs short pieces of work, each on a connection in autocommit. Safe across threads.

    `DependencyDown` when the server cannot be asked, or broke off while it was: then nobody knows if the work was done.
    `BadInput` when it takes no such value, whoever asks and however often.
    """

    def __init__(self, dsn: str, measures: Measures, *, size: int = 8, wait_s: float = 3.0) -> None:
        self._dsn = dsn
        in_use = partial(measures.use, Bounded.DATABASE)
        self._pool = Pool(self._open, _usable, _close, size=size, wait_s=wait_s, on_use=in_use)

    def run(self, work: Callable[[PsycopgConnection], R]) -> R:
        try:
            with self._pool.lend() as connection:
                return work(connection)
        except (psycopg.DataError, psycopg.errors.ProgramLimitExceeded, UnicodeError) as error:
            raise BadInput(f"PostgreSQL takes no such value: {type(error).__name__}") from error
        except psycopg.Error as error:
            raise DependencyDown(f"PostgreSQL: {type(error).__name__}; check STRANGLER_DSN and the server") from error
        except PoolExhausted as error:
            raise DependencyDown(f"PostgreSQL is too slow: {error}") from error

    def answers(self) -> bool:
        """Whether it can be asked now."""
        try:
            self.run(lambda connection: connection.execute("SELECT 1").fetchone())
        except StranglerError:
            return False
        return True

    def _open(self) -> PsycopgConnection:
        return psycopg.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=with_options(self._dsn, OPTIONS),
            application_name="strangler-facade",
            tcp_user_timeout=SILENCE_MS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=2,
        )


def _usable(connection: PsycopgConnection) -> bool:
    return not connection.closed and silent(connection.fileno())


def _close(connection: PsycopgConnection) -> None:
    connection.close()
