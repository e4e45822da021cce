"""Restraint towards vendors: who may be called now, how often, how many retries; one budget for the group."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable

from outbox.connection import PsycopgConnection
from outbox.consumer import BreakerRule, RetryBudget
from outbox.consumer.retry.adaptive_rate import AdaptiveRateLimit
from outbox.consumer.retry.breaker import Breaker, State
from strangler.step.vendor import Answer, AnswerKind
from strangler.step.vendor_budget import VendorBudget

DEPOSIT_EVERY_S = 1.0


class VendorThrottle:
    """Safe from every thread. Each vendor has a breaker, and a pace once it asked for patience or was away.

    The budget of retries is the context's: its consumer spends from the same account. `calls`: what a vendor may get
    in all, and what legacy calls beside us; both slow the pace.
    """

    def __init__(
        self,
        vendors: Iterable[str],
        budget: RetryBudget,
        rule: BreakerRule,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
        *,
        calls: VendorBudget | None = None,
    ) -> None:
        self._budget, self._clock, self._rng = budget, clock, rng
        self._allowance = calls or VendorBudget({})
        self._lock = threading.Lock()
        self._breakers = {vendor: Breaker(rule, rng) for vendor in vendors}
        self._paces = {vendor: AdaptiveRateLimit() for vendor in self._breakers}
        self._deposited_at = clock()

    def admit(self, vendor: str, most: int) -> int:
        """How many calls the vendor may get now, `most` at most. Unless it is 0, `started` must follow."""
        with self._lock:
            breaker, pace, now = self._breakers[vendor], self._paces[vendor], self._clock()
            if elsewhere := self._allowance.heard(vendor):
                pace.started(now, elsewhere)
            if not most or pace.wait_s(now) or breaker.admit(now):
                return 0
            return 1 if breaker.state is State.HALF_OPEN else min(most, pace.run_limit() or most)

    def started(self, vendor: str, calls: int) -> None:
        """So many of those that were admitted are made."""
        with self._lock:
            if calls:
                self._paces[vendor].started(self._clock(), calls)
            else:
                self._breakers[vendor].unused()

    def rest_s(self, most_s: float) -> float:
        """Seconds until a vendor that is called at a pace may be called again, `most_s` at most."""
        most_s = self._allowance.rest_s(most_s)
        with self._lock:
            now = self._clock()
            return min([most_s, *(wait_s for pace in self._paces.values() if (wait_s := pace.wait_s(now)))])

    def limits(self) -> dict[str, tuple[float | None, bool]]:
        """Per vendor the calls a second that it is given, None without a limit; and whether its breaker is open."""
        declared = self._allowance.calls_per_s
        with self._lock:
            return {
                vendor: (
                    min((rate for rate in (self._paces[vendor].rate, declared.get(vendor)) if rate), default=None),
                    breaker.state is not State.CLOSED,
                )
                for vendor, breaker in self._breakers.items()
            }

    def granted(self, connection: PsycopgConnection, vendor: str, wanted: int) -> int:
        """How many calls the vendor's own limit leaves, up to `wanted`; `unused` what is not made. Commits."""
        return self._allowance.granted(connection, vendor, wanted)

    def unused(self, vendor: str, calls: int) -> None:
        self._allowance.unused(vendor, calls)

    def is_limited(self, vendor: str) -> bool:
        return vendor in self._allowance.calls_per_s

    def reserve(self, connection: PsycopgConnection, wanted: int) -> int:
        """How many retries may be made, up to `wanted`; `give_back` what is not. Commits."""
        if self._budget.reserve(connection, wanted):
            return wanted
        return 1 if wanted > 1 and self._budget.reserve(connection, 1) else 0

    def give_back(self, retries: int) -> None:
        self._budget.give_back(retries)

    def deposit(self, connection: PsycopgConnection) -> None:
        """Bring what was counted to the group's account, once a second at most. Commits."""
        if self._clock() - self._deposited_at >= DEPOSIT_EVERY_S:
            self._deposited_at = self._clock()
            self._budget.deposit(connection)
            self._allowance.deposit(connection)

    def answered(self, vendor: str, answer: Answer, *, attempts: int) -> bool | None:
        """Learn from an answer. True: the vendor's breaker has opened; False: it has closed; None: as it was."""
        known = answer.kind not in (AnswerKind.UNKNOWN, AnswerKind.NOT_SENT)
        if attempts == 1:
            (self._budget.delivered if known else self._budget.failed)(1)
        elif known:
            self._budget.refund(1)
        with self._lock:
            breaker, pace, now = self._breakers[vendor], self._paces[vendor], self._clock()
            if known:
                pace.succeeded(now, 1)
                closed = breaker.succeeded(now)
                if closed:
                    pace.begin(now)
                return False if closed else None
            if answer.retry_after_s is not None:
                pace.overloaded(now)
                return breaker.overloaded(now, answer.retry_after_s) or None
            return breaker.failed(now) or None
