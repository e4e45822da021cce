"""The runner: goes on with ready orders that no request waits for, and tries again what failed."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from legacy_app.rest import Rest
from legacy_app.vendor_client import Vendors
from outbox.connection import PsycopgConnection
from strangler.step import continuation

logger = logging.getLogger(__name__)

VENDOR_TIMEOUT_S = (3.0, 15.0)  # connect, read: the monolith's own client would wait for ever


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """`poll_s`: how often it looks for orders whose request has given up, and for retries."""

    threads: int = 4
    poll_s: float = 0.1
    backoff_base_s: float = 0.2
    backoff_cap_s: float = 15.0


class PatientVendors(Vendors):
    """The monolith's client, which gives up on a hung vendor."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session.mount("http://", _Bounded())
        self._session.mount("https://", _Bounded())


class _Bounded(HTTPAdapter):
    def send(self, request: PreparedRequest, **given: Any) -> Response:  # type: ignore[override]  # by name only
        return super().send(request, **{**given, "timeout": given.get("timeout") or VENDOR_TIMEOUT_S})


class Runner:
    """`run` blocks until `stop`; `wake` says that there may be something to do; both from any thread.

    Every ready order is tried until its rest has run: what fails is postponed, twice as long each time, with jitter.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], PsycopgConnection],
        rest: Rest,
        make_vendors: Callable[[], Vendors],
        settings: RunnerSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._connect, self._rest, self._make_vendors = connect, rest, make_vendors
        self._settings = settings or RunnerSettings()
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        self._local = threading.local()
        self._signal, self._stopping = threading.Event(), threading.Event()
        self._connection: PsycopgConnection | None = None

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        self._signal.set()

    def stop(self) -> None:
        """Take nothing new; `run` returns when the orders in hand are done."""
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
        order_refs = continuation.due(connection, limit)
        failed = [ref for ref, ended in zip(order_refs, pool.map(self._try, order_refs), strict=True) if not ended]
        self._postpone(connection, failed)
        return len(order_refs) == limit

    def _try(self, order_ref: str) -> bool:
        """False: it failed. An order that somebody else works on is left to him; it is due again if he fails."""
        try:
            self._rest.run(self._vendors(), order_ref, wait_s=0.0)
        except Exception as error:  # noqa: BLE001 - the thread's edge: one order must not stop the others
            logger.warning("rest_failed", extra={"error": type(error).__name__})
            return False
        return True

    def _postpone(self, connection: PsycopgConnection, order_refs: Sequence[str]) -> None:
        settings = self._settings
        for order_ref in order_refs:
            continuation.postpone(
                connection,
                order_ref,
                base_s=settings.backoff_base_s,
                cap_s=settings.backoff_cap_s,
                jitter=self._rng.uniform(0.5, 1.0),
            )

    def _vendors(self) -> Vendors:
        """One per thread: a session of requests is not shared."""
        if not hasattr(self._local, "vendors"):
            self._local.vendors = self._make_vendors()
        vendors: Vendors = self._local.vendors
        return vendors

    def _connected(self) -> PsycopgConnection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
