"""The runner: goes on with ready subjects that no request waits for, and tries again what failed."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto

import psycopg

from outbox.connection import PsycopgConnection
from strangler.continuation import table
from strangler.continuation.failures import failed_at

logger = logging.getLogger(__name__)

STUCK_AFTER = 5  # attempts, over some seconds: a subject that somebody works on is free again by then


class Came(Enum):
    """What an attempt has come to."""

    TO_AN_END = auto()
    TO_NOTHING = auto()
    TO_AN_ERROR = auto()


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
    threads; False (or None) where it took nothing, because somebody else works on the subject, or it is gone. Each
    ready subject is tried until that succeeds: what raises, or is not taken, is postponed, twice as long each time,
    with jitter, so that it keeps no other from its turn.
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
        self._said: set[str] = set()  # subjects that nobody could take, told of once

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        self._signal.set()

    def stop(self) -> None:
        """Take nothing new; `run` returns when the subjects in hand are done."""
        self._stopping.set()
        self._signal.set()

    def run(self) -> None:
        """Round after round until stopped. A database that does not answer is tried again."""
        try:
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
        finally:
            self._close()

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """True when there is certainly more to do."""
        connection = self._connected()
        limit = 4 * self._settings.threads
        subject_refs = table.due(connection, limit)
        for subject_ref, came in zip(subject_refs, pool.map(self._try, subject_refs), strict=True):
            if came is not Came.TO_AN_END:
                attempts = self._postpone(connection, subject_ref)
                if came is Came.TO_NOTHING and attempts >= STUCK_AFTER:
                    self._say_stuck(subject_ref, attempts)
        return len(subject_refs) == limit

    def _try(self, subject_ref: str) -> Came:
        try:
            return Came.TO_AN_END if self._rest(subject_ref) else Came.TO_NOTHING
        except Exception as error:  # noqa: BLE001 - the thread's edge: one subject must not stop the others
            logger.warning("rest_failed", extra={"error": type(error).__name__, "at": failed_at(error)})
            return Came.TO_AN_ERROR

    def _postpone(self, connection: PsycopgConnection, subject_ref: str) -> int:
        return table.postpone(
            connection,
            subject_ref,
            base_s=self._settings.backoff_base_s,
            cap_s=self._settings.backoff_cap_s,
            jitter=self._rng.uniform(0.5, 1.0),
        )

    def _say_stuck(self, subject_ref: str, attempts: int) -> None:
        if subject_ref not in self._said:
            self._said.add(subject_ref)
            logger.error(
                "rest_not_taken: nobody finds this subject, or it stays locked; put its row back, or end the session "
                "that holds it; where it was deleted on purpose, delete it from strangler.continuation",
                extra={"subject_ref": subject_ref, "attempts": attempts},
            )

    def _connected(self) -> PsycopgConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
