"""What a service gives up, and when: as its policy says, and nothing while the interlock says no."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import psycopg

from outbox.connection import with_options
from outbox.consumer import Expiry, Handler, Shedding
from outbox.consumer.middleware.shedding import no_mode
from outbox.policy import Expired, Policy
from strangler.errors import Refused
from strangler.flows.interlock import Permitted, ask
from strangler.service.declaration import Service

ASK_EVERY_S = 10.0
ANSWER_WITHIN_S = 3  # a connection and three statements: a run's transaction is open meanwhile, and may idle for 15 s
LIMITS = f"-c statement_timeout={ANSWER_WITHIN_S}s -c lock_timeout={ANSWER_WITHIN_S}s"

logger = logging.getLogger(__name__)


class Interlock:
    """Whether the flow may lose events now. Asked every `ASK_EVERY_S` at most; no answer is a no. Thread-safe."""

    def __init__(self, policy: Policy, dsn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._dsn, self._clock = policy, dsn, clock
        self._lock = threading.Lock()
        self._asked_at, self._permitted = float("-inf"), False
        self._reason = ""

    def __call__(self) -> bool:
        with self._lock:
            if self._clock() - self._asked_at >= ASK_EVERY_S:
                self._permitted, self._asked_at = self._ask(), self._clock()
            return self._permitted

    def _ask(self) -> bool:
        try:
            options = with_options(self._dsn, LIMITS)
            with psycopg.connect(self._dsn, connect_timeout=ANSWER_WITHIN_S, options=options) as connection:
                answer = ask(connection, self._policy)
        except psycopg.Error as error:
            answer = Refused(f"nobody could be asked ({type(error).__name__})", "see whether the main database is up")
        return self._say(answer)

    def _say(self, answer: Permitted | Refused) -> bool:
        """Why not, when that changes: otherwise work that should be shed is late for no visible reason."""
        reason = answer.reason if isinstance(answer, Refused) else ""
        if isinstance(answer, Refused) and reason != self._reason:
            words = {"flow": self._policy.flow, "reason": reason, "next_step": answer.next_step}
            logger.info("shedding_refused", extra=words)
        self._reason = reason
        return not reason


def expiry_of(policy: Policy, compensate: Handler | None = None) -> Expiry | None:
    """None where late work is run: then nobody needs to look at deadlines."""
    return None if policy.expired is Expired.RUN else Expiry.of(policy, compensate=compensate)


def shedding_of(service: Service, dsn: str, mode: Callable[[], str] = no_mode) -> Shedding:
    """What is given up is claimed as shed by the service's step. Where the policy has no clause for it, nothing is."""
    if not service.policy.shedding():
        return Shedding.of(service.policy, permitted=lambda: False)
    give_up = service.step().give_up
    return Shedding.of(service.policy, permitted=Interlock(service.policy, dsn), give_up=give_up, mode=mode)
