"""The runner: goes on with ready subjects that no request waits for, and tries again what failed."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg

from outbox.connection import PsycopgConnection
from strangler.continuation import table
from strangler.continuation.failures import failed_at

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """`poll_s`: how often it looks for subjects whose request has given up, and for retries."""

    threads: int = 4
    poll_s: float = 0.1
    backoff_base_s: float = 0.2
    backoff_cap_s: float = 15.0


class Runner:
    """`run` blocks until `stop`; `wake` says that there may be something to do; both from any thread.

    `rest(subject_ref)` claims the subject's continuation, runs the rest of its chain and commits, from several
    threads; a subject that somebody else works on it leaves alone. Each ready subject is tried until that succeeds:
    what raises is postponed, twice as long each time, with jitter.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], PsycopgConnection],
        rest: Callable[[str], object],
        settings: RunnerSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._connect, self._rest = connect, rest
        self._settings = settings or RunnerSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._signal, self._stopping = threading.Event(), threading.Event()
        self._connection: PsycopgConnection | None = None

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        self._signal.set()

    def stop(self) -> None:
        """Take nothing new; `run` returns when the subjects in hand are done."""
        self._stopping.set()
        self._signal.set()

    def run(self) -> None:
        """Round after round until stopped. A database that does not answer is tried again."""
        with ThreadPoolExecutor(self._settings.threads, thread_name_prefix="rest") as pool:
            while not self._stopping.is_set():
                self._signal.clear()
                try:
                    busy = self._round(pool)
                except psycopg.Error as error:
                    logger.warning("runner_lost_database", extra={"error": type(error).__name__})
                    self._close()
                    busy = False
                if not busy:
                    self._signal.wait(self._settings.poll_s)
        self._close()

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """True when there is certainly more to do."""
        connection = self._connected()
        limit = 4 * self._settings.threads
        subject_refs = table.due(connection, limit)
        failed = [ref for ref, ended in zip(subject_refs, pool.map(self._try, subject_refs), strict=True) if not ended]
        self._postpone(connection, failed)
        return len(subject_refs) == limit

    def _try(self, subject_ref: str) -> bool:
        """False: it failed. A subject that somebody else works on is left to him; it is due again if he fails."""
        try:
            self._rest(subject_ref)
        except Exception as error:  # noqa: BLE001 - the thread's edge: one subject must not stop the others
            logger.warning("rest_failed", extra={"error": type(error).__name__, "at": failed_at(error)})
            return False
        return True

    def _postpone(self, connection: PsycopgConnection, subject_refs: Sequence[str]) -> None:
        settings = self._settings
        for subject_ref in subject_refs:
            table.postpone(
                connection,
                subject_ref,
                base_s=settings.backoff_base_s,
                cap_s=settings.backoff_cap_s,
                jitter=self._rng.uniform(0.5, 1.0),
            )

    def _connected(self) -> PsycopgConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
