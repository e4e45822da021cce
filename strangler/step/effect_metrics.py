"""What an effect sender tells the outside: counts to `observe`, events to the log. Never bodies, never keys."""

from __future__ import annotations

import logging
import threading
from enum import StrEnum

from outbox.consumer import Observe
from outbox.consumer.settings import Measure
from strangler.step.vendor import Answer

logger = logging.getLogger(__name__)

SAID_CHARACTERS, MOST_SAID, OTHER = 60, 50, "other"


class EffectMetric(StrEnum):
    """What `observe` is called with; the labels are in brackets."""

    ANSWERED = "effect_answered"  # [vendor, answer, said]
    PUT_OFF = "effect_put_off"  # [clause]
    BREAKER = "effect_breaker"  # [vendor, state]
    UNSETTLED = "effect_unsettled"  # [vendor]


class Told:
    """Safe from every thread, but `put_off` is the dispatching thread's; a failing observer changes nothing."""

    def __init__(self, step: str, observe: Observe) -> None:
        self._step, self._observe = step, observe
        self._put_off: dict[tuple[str, str], int] = {}
        self._said: set[str] = set()
        self._saying = threading.Lock()

    def answered(self, vendor: str, answer: Answer) -> None:
        """`said` is the status where there is one, else the error: so a hang and a limit have names of their own."""
        said = str(answer.detail.get("status") or answer.detail.get("reason") or "")[:SAID_CHARACTERS]
        self._count(EffectMetric.ANSWERED, 1, vendor=vendor, answer=answer.kind.value, said=self._bounded(said))

    def _bounded(self, said: str) -> str:
        """An adapter may say anything, a number of its own each time: the first ones have series, the rest one."""
        with self._saying:
            if said not in self._said:
                if len(self._said) >= MOST_SAID:
                    return OTHER
                self._said.add(said)
        return said

    def called(self, vendor: str, seconds: float) -> None:
        """So long a call took."""
        if isinstance(self._observe, Measure):
            try:
                self._observe.time("effect_call_seconds", [seconds], vendor=vendor)
            except Exception:  # an observer must never change what becomes of an effect
                logger.exception("observer_failed", extra={"metric": "effect_call_seconds"})

    def put_off(self, vendor: str, effects: int, clause: str) -> None:
        """So many wait at this look, 0 = none: counted is what is more than at any look since none did."""
        most = self._put_off.get((vendor, clause), 0)
        self._put_off[vendor, clause] = max(most, effects) if effects else 0
        if effects > most:
            logger.info("effects_put_off", extra={"step": self._step, "vendor": vendor, "clause": clause})
            self._count(EffectMetric.PUT_OFF, effects - most, clause=clause)

    def breaker(self, vendor: str, *, opened: bool) -> None:
        state = "open" if opened else "closed"
        logger.warning("vendor_breaker", extra={"step": self._step, "vendor": vendor, "state": state})
        self._count(EffectMetric.BREAKER, 1, vendor=vendor, state=state)

    def unsettled(self, vendor: str) -> None:
        logger.warning("effect_unsettled", extra={"step": self._step, "vendor": vendor})
        self._count(EffectMetric.UNSETTLED, 1, vendor=vendor)

    def _count(self, metric: EffectMetric, value: int, **labels: str) -> None:
        try:
            self._observe(metric.value, value, **labels)
        except Exception:  # an observer must never change what becomes of an effect
            logger.exception("observer_failed", extra={"metric": metric.value})
