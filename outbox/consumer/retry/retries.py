"""What the workers of a runtime share about retries: the breaker, the pace, the group's budget."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.run import Run
from outbox.consumer.report import Report
from outbox.consumer.retry.adaptive_rate import AdaptiveRateLimit
from outbox.consumer.retry.breaker import Breaker, State
from outbox.consumer.retry.budget import RetryBudget
from outbox.consumer.retry.rule import Clause, Overloaded, Trouble, classify, delay_s, puts_off
from outbox.consumer.settings import RuntimeSettings

Clock = Callable[[], float]


class Retries:
    """Safe from every thread. A worker is admitted, takes a run, asks whether it may be tried, and says how it went."""

    def __init__(
        self, settings: RuntimeSettings, budget: RetryBudget, report: Report, clock: Clock, rng: random.Random
    ) -> None:
        self._retry, self._defer_s = settings.retry, settings.defer_s
        self.budget, self._report = budget, report
        self._clock, self._rng = clock, rng
        self._lock = threading.Lock()
        self._breaker, self._pace = Breaker(settings.breaker, rng), AdaptiveRateLimit()

    def admit(self) -> float:
        """Seconds to rest before taking a run, 0 = take one. Then `started` or `unused` must follow."""
        with self._lock:
            now = self._clock()
            wait_s = self._pace.wait_s(now)
            return wait_s or self._breaker.admit(now)

    def limit(self) -> int | None:
        """Events that a run may take; None = as usual. A probe takes one: it is likely to fail."""
        with self._lock:
            return 1 if self._breaker.state is State.HALF_OPEN else self._pace.run_limit()

    def unused(self) -> None:
        """No run was there to be taken, or it may not be tried."""
        with self._lock:
            self._breaker.unused()

    def put_off_s(self, run: Run, connect: Callable[[], PsycopgConnection]) -> float:
        """Seconds to put the run off for want of budget, 0 = try it. First attempts need none.

        A database that does not answer cannot be asked for credits; to try the run is how one finds it back.
        """
        if run.again:
            try:
                reserved = self.budget.reserve(connect(), run.again)
            except (psycopg.Error, OSError):
                reserved = True
            if not reserved:
                self.unused()
                return self._defer_s * self._rng.uniform(0.5, 1.5)
        with self._lock:
            self._pace.started(self._clock(), len(run.records))
        return 0.0

    def succeeded(self, run: Run, committed: Run) -> None:
        """It was committed, or the cut that was made of it."""
        if run.again:
            self.budget.refund(run.again)
        self.budget.delivered(len(committed.records) - committed.again)
        with self._lock:
            now = self._clock()
            self._pace.succeeded(now, len(committed.records))
            closed = self._breaker.succeeded(now)
            if closed:
                self._pace.begin(now)
        if closed:
            self._report.breaker("closed")

    def ended(self, run: Run) -> None:
        """It neither failed nor went well: another assignment has the partition, or it had been committed before."""
        if run.again:
            self.budget.refund(run.again)
        self.unused()

    def failed(self, run: Run, error: Exception) -> float:
        """Seconds to rest before the run is tried again; other lanes go on."""
        trouble = classify(error)
        self.budget.failed(len(run.records) - run.again)
        with self._lock:
            now = self._clock()
            if trouble is Trouble.OVERLOAD:
                self._pace.overloaded(now)
                retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else None
                opened = self._breaker.overloaded(now, retry_after_s)
            else:
                opened = self._breaker.failed(now)
        if opened:
            self._report.breaker("open")
        rest_s = delay_s(self._retry, run.attempt + 1, self._rng, defer_s=self._defer_s)
        self._report.retried(run, error, trouble.value, rest_s)
        if puts_off(self._retry, run.attempt + 1):
            self._report.put_off(run, Clause.ATTEMPTS)
        return rest_s
