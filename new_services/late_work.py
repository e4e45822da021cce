"""What a context does with late work: as its policy says, and nothing is dropped while the interlock says no."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg

from outbox.consumer import Expiry
from outbox.policy import Expired, FlowPolicy
from strangler.errors import Refused
from strangler.flows.interlock import ask

ASK_EVERY_S = 10.0
ANSWER_WITHIN_S = 5


class Interlock:
    """Whether the flow may lose events now. Asked every `ASK_EVERY_S` at most; no answer is a no. Thread-safe."""

    def __init__(self, policy: FlowPolicy, dsn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._dsn, self._clock = policy, dsn, clock
        self._lock = threading.Lock()
        self._asked_at, self._permitted = float("-inf"), False

    def __call__(self) -> bool:
        with self._lock:
            if self._clock() - self._asked_at >= ASK_EVERY_S:
                self._permitted, self._asked_at = self._ask(), self._clock()
            return self._permitted

    def _ask(self) -> bool:
        try:
            with psycopg.connect(self._dsn, connect_timeout=ANSWER_WITHIN_S) as connection:
                return not isinstance(ask(connection, self._policy), Refused)
        except psycopg.Error:
            return False


def expiry_of(policy: FlowPolicy, dsn: str) -> Expiry | None:
    """None where late work is run: then nobody needs to look at deadlines."""
    return None if policy.expired is Expired.RUN else Expiry.of(policy, may_drop=Interlock(policy, dsn))
