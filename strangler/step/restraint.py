"""Restraint towards vendors: who may be called now, how many retries; a breaker each, one budget for the group."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable

from outbox.connection import PsycopgConnection
from outbox.consumer import BreakerRule, RetryBudget
from outbox.consumer.breaker import Breaker, State
from strangler.step.vendor import Answer, AnswerKind

DEPOSIT_EVERY_S = 1.0


class Restraint:
    """Safe from every thread. The budget is the context's: its consumer spends from the same account."""

    def __init__(
        self,
        vendors: Iterable[str],
        budget: RetryBudget,
        rule: BreakerRule,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget, self._clock, self._rng = budget, clock, rng
        self._lock = threading.Lock()
        self._breakers = {vendor: Breaker(rule, rng) for vendor in vendors}
        self._deposited_at = clock()

    def admitted(self) -> tuple[list[str], str | None]:
        """Vendors that may be called as usual, and one that may be probed by a single call; `unused` if it is not."""
        with self._lock:
            now = self._clock()
            closed = [vendor for vendor, breaker in self._breakers.items() if not self._waits(breaker, now)]
            for vendor, breaker in self._breakers.items():
                if breaker.state is State.OPEN and breaker.admit(now) == 0:
                    return closed, vendor
            return closed, None

    def unused(self, vendor: str) -> None:
        """The probe found nothing to send."""
        with self._lock:
            self._breakers[vendor].unused()

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

    def answered(self, vendor: str, answer: Answer, *, attempts: int) -> bool | None:
        """Learn from an answer. True: the vendor's breaker has opened; False: it has closed; None: as it was."""
        known = answer.kind is not AnswerKind.UNKNOWN
        if attempts == 1:
            (self._budget.delivered if known else self._budget.failed)(1)
        elif known:
            self._budget.refund(1)
        with self._lock:
            breaker, now = self._breakers[vendor], self._clock()
            if known:
                return False if breaker.succeeded(now) else None
            if answer.retry_after_s is not None:
                return breaker.overloaded(now, answer.retry_after_s) or None
            return breaker.failed(now) or None

    @staticmethod
    def _waits(breaker: Breaker, now: float) -> bool:
        return breaker.state is not State.CLOSED or breaker.admit(now) > 0
