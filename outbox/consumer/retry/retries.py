"""What the workers of a runtime share about retries: the breaker, the pace, the group's budget."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.run import Run
from outbox.consumer.report import Report
from outbox.consumer.retry.adaptive_rate import AdaptiveRateLimit, RateLimit
from outbox.consumer.retry.breaker import Breaker, State
from outbox.consumer.retry.budget import RetryBudget
from outbox.consumer.retry.rule import Clause, Overloaded, Trouble, classify, delay_s, puts_off, to_be_parked
from outbox.consumer.settings import RuntimeSettings

Clock = Callable[[], float]
Limit = TypeVar("Limit", int, float)


class Failure(NamedTuple):
    """What becomes of a run that failed: it rests so long, and is tried again; or it ends, and its event is parked."""

    rest_s: float
    ends: bool = False


class Retries:
    """Safe from every thread. A worker is admitted, takes a run, asks whether it may be tried, and says how it went."""

    def __init__(
        self, settings: RuntimeSettings, budget: RetryBudget, report: Report, clock: Clock, rng: random.Random
    ) -> None:
        self._retry, self._defer_s = settings.retry, settings.defer_s
        self.budget, self._report = budget, report
        self._clock, self._rng = clock, rng
        self._lock = threading.Lock()
        self._breaker, self._pace, self._held = Breaker(settings.breaker, rng), AdaptiveRateLimit(), RateLimit()

    def admit(self) -> float:
        """Seconds to rest before taking a run, 0 = take one. Then `started` or `unused` must follow."""
        with self._lock:
            now = self._clock()
            wait_s = max(self._pace.wait_s(now), self._held.wait_s(now))
            return wait_s or self._breaker.admit(now)

    def limit(self) -> int | None:
        """Events that a run may take; None = as usual. A probe takes one: it is likely to fail."""
        with self._lock:
            if self._breaker.state is State.HALF_OPEN:
                return 1
            return _lower(self._pace.run_limit(), self._held.run_limit())

    def rate(self) -> float | None:
        """Events a second that are tried; None without a limit."""
        with self._lock:
            return _lower(self._pace.rate, self._held.rate)

    def hold(self, rate: float | None) -> None:
        """At most so many events a second, whatever is answered; None: no more."""
        with self._lock:
            self._held.rate = rate

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
                reserved = self.budget.reserve(connect(), 1)
            except (psycopg.Error, OSError):
                reserved = True
            if not reserved:
                self.unused()
                return self._defer_s * self._rng.uniform(0.5, 1.5)
        with self._lock:
            for pace in (self._pace, self._held):
                pace.started(self._clock(), len(run.records))
        return 0.0

    def succeeded(self, run: Run, outcome: Outcome) -> None:
        """It was committed, or the cut that was made of it."""
        events = len(outcome.run.records)
        if run.again:
            self.budget.refund(1)
        self.budget.delivered(events - run.again)
        with self._lock:
            now = self._clock()
            self._pace.succeeded(now, events)
            closed = self._breaker.succeeded(now, outcome.calls)
            if closed:
                self._pace.begin(now)
        if closed:
            self._report.breaker("closed")

    def at_once(self, part: Run, error: Exception, took_s: float) -> bool:
        """Whether what failed is tried again without a rest, in the transaction that it stands in; then `passed`.

        Once, where a dropped connection is likelier than trouble that lasts: it failed quickly, its error passes, and
        nothing says that others fail or that somebody asks for patience. The retry is reserved like any other.
        """
        if classify(error) is not Trouble.TRANSIENT or took_s > self._retry.base_s or puts_off(self._retry, 1):
            return False
        with self._lock:
            calm = self._breaker.state is State.CLOSED and self._pace.rate is None and self._held.rate is None
        if not calm or not self.budget.take(1):
            return False
        self.budget.failed(1)
        self._report.retried_at_once(part, error, Trouble.TRANSIENT.value)
        return True

    def passed(self) -> None:
        """What was tried again at once went well, and costs nothing. It is counted as delivered with its run."""
        self.budget.give_back(1)

    def ended(self, run: Run) -> None:
        """It neither failed nor went well: another assignment has the partition, or it had been committed before."""
        if run.again:
            self.budget.give_back(1)
        self.unused()

    def failed(self, run: Run, error: Exception) -> Failure:
        """What becomes of the run, which was rolled back; other lanes go on.

        One failure, however many records the run has: one of them failed, the others only stood beside it. Of what all
        depend on it says something only if it was alone; else the breaker waits for the next, shorter run.
        """
        trouble, failed = classify(error), run.attempt + 1
        if not run.again:
            self.budget.failed(1)
        with self._lock:
            now = self._clock()
            if trouble is Trouble.OVERLOAD:
                self._pace.overloaded(now)
                retry_after_s = error.retry_after_s if isinstance(error, Overloaded) else None
                opened = self._breaker.overloaded(now, retry_after_s)
            elif len(run.records) == 1:
                opened = self._breaker.failed(now)
            else:
                self._breaker.unused()
                opened = False
            others_go_on = self._breaker.state is State.CLOSED  # else what they all depend on may be down
        if opened:
            self._report.breaker("open")
        rest_s = delay_s(self._retry, failed, self._rng, defer_s=self._defer_s)
        if others_go_on and to_be_parked(error, self._retry, failed, alone=len(run.records) == 1):
            self._report.given_up(run, error)
            return Failure(rest_s, ends=True)
        self._report.retried(run, error, trouble.value, rest_s, stands=failed > self._retry.attempts)
        if puts_off(self._retry, failed):
            self._report.put_off(run, Clause.ATTEMPTS)
        return Failure(rest_s)


def _lower(one: Limit | None, other: Limit | None) -> Limit | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)
