"""The effect sender: asks vendors for what was planned, with one key for ever, until the outcome is known."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import assert_never

import psycopg

from outbox.catalogue import Sample
from outbox.connection import PsycopgConnection
from outbox.consumer import BreakerRule, Observe, RetryBudget
from outbox.consumer.report import ignore
from outbox.consumer.retry.rule import Clause
from outbox.fault_points import FaultPoints
from outbox.terms import check_terms
from strangler.step.apply import ApplyWrites, write_nothing
from strangler.step.conclude import Conclude, tell
from strangler.step.effect_ending import end_and_follow
from strangler.step.effect_gauges import saturated, told_gauges
from strangler.step.effect_metrics import Told
from strangler.step.effect_table import NEVER_ACCEPTED, Effect, Ending, due, due_again, park, postpone, take, unsend
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind, Vendor
from strangler.step.vendor_budget import VendorBudget
from strangler.step.vendor_throttle import VendorThrottle

logger = logging.getLogger(__name__)

LIMIT = "vendor.calls_per_s"  # by which an effect waits


@dataclass(frozen=True, slots=True)
class SenderSettings:
    """`poll_s` only catches what no signal announced: retries, other processes' work, leases of the dead."""

    concurrency: int = 8  # calls under way at once, and taken effects held in memory
    poll_s: float = 0.5
    backoff_base_s: float = 0.2
    backoff_cap_s: float = 30.0
    lease_margin_s: float = 5.0  # beyond the vendor's timeout: connecting, committing
    # Rests longer than a consumer's: senders share their work, so the first of them to come back is enough.
    # What a vendor asks for is kept up to a day: more is a mistake, or for a person.
    breaker: BreakerRule = field(default_factory=lambda: BreakerRule(rest_cap_s=30.0, patience_cap_s=86_400.0))

    def __post_init__(self) -> None:
        check_terms(self, above_zero=("concurrency", "poll_s", "backoff_base_s", "backoff_cap_s", "lease_margin_s"))


@dataclass(slots=True)
class Slot:
    """A worker's place and its connection, opened when first needed and again after an error."""

    connection: PsycopgConnection | None = None


class EffectSender:
    """Sends a step's effects. `run` blocks until `stop`; `wake` says that there may be new ones; both from any thread.

    Each call has a key that the vendor recognises for `key_lifetime_s`: within it an effect of unknown outcome is
    sent again, later it is only looked up. At least one attempt, at most one effect. Order between effects: none. What
    cannot be looked up either waits for an operator: `strangler effects`.
    `conclude` is pure: its intents are applied in the transaction that ends the effect, so they happen exactly once.
    Retries come from `budget`, which its context's consumer shares. Each vendor has a breaker and a pace, and is not
    called before the time that it asked for (`SenderSettings.breaker`: a day at most; a new process has to hear it).
    `calls`: what each vendor may get from legacy and us together.
    `observe` is called with the names of `strangler.step.effect_metrics.EffectMetric`.
    """

    def __init__(
        self,
        *,
        connect: Callable[[], PsycopgConnection],
        step: str,
        vendors: Mapping[str, Vendor],
        conclude: Conclude = tell,
        apply_writes: ApplyWrites = write_nothing,
        budget: RetryBudget | None = None,
        calls: VendorBudget | None = None,
        settings: SenderSettings | None = None,
        rng: random.Random | None = None,
        fault_points: FaultPoints | None = None,
        observe: Observe = ignore,
    ) -> None:
        self._told, self._observe = Told(step, observe), observe
        self._connect, self._step, self._vendors = connect, step, dict(vendors)
        self._conclude, self._apply_writes = conclude, apply_writes
        self._settings, self._fault_points = settings or SenderSettings(), fault_points or FaultPoints()
        self._rng = rng or random.Random()  # noqa: S311 - jitter
        budget = budget or RetryBudget(step)
        self._restraint = VendorThrottle(self._vendors, budget, self._settings.breaker, self._rng, calls=calls)
        self._look_again_at = 0.0
        self._calls: Counter[str] = Counter()  # under way, by vendor
        self._counting = threading.Lock()
        self._idle = deque(Slot() for _ in range(self._settings.concurrency))
        self._signal, self._stopping = threading.Event(), threading.Event()

    def wake(self) -> None:
        """Look at once instead of at the next poll."""
        self._signal.set()

    def stop(self) -> None:
        """Take nothing new; `run` returns when the calls under way have ended."""
        self._stopping.set()
        self._signal.set()

    def run(self) -> None:
        """Send until stopped. A database that does not answer is tried again; calls under way end first."""
        slot = Slot()
        slots = list(self._idle)
        try:
            with (
                told_gauges(self._observe, self._connect, self._step, self._vendors, self._in_use),
                ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix=f"effect-{self._step}") as pool,
            ):
                while not self._stopping.is_set():
                    self._signal.clear()
                    if not self._dispatch(slot, pool):
                        self._signal.wait(self._restraint.rest_s(self._settings.poll_s))
        finally:
            for each in (slot, *slots):
                _close(each)

    def _in_use(self) -> Iterator[Sample]:
        return saturated(self._restraint.limits(), self._calls, self._settings.concurrency)

    def _dispatch(self, slot: Slot, pool: ThreadPoolExecutor) -> int:
        """Hand at most as many effects out as there are idle workers, so that no lease runs while one waits."""
        free = len(self._idle)  # only this thread takes slots away
        if not free:
            return 0
        taken: list[Effect] = []
        try:
            self._take(self._connected(slot), free, taken)
        except psycopg.Error as error:  # what was taken before it is marked sent, so it is sent
            logger.warning("effect_take_failed", extra={"step": self._step, "error": type(error).__name__})
            _close(slot)
        for effect in taken:
            self._fault_points.reach("effect.sent")
            pool.submit(self._attempt, self._idle.popleft(), effect)
        return len(taken)

    def _take(self, connection: PsycopgConnection, free: int, taken: list[Effect]) -> None:
        """Add what is taken, each as soon as it is committed."""
        self._restraint.deposit(connection)
        for vendor in self._rng.sample(list(self._vendors), len(self._vendors)):
            most, before = self._restraint.admit(vendor, free - len(taken)), len(taken)
            if most:
                try:
                    self._take_granted(connection, vendor, most, taken)
                finally:
                    self._restraint.started(vendor, len(taken) - before)

    def _take_granted(self, connection: PsycopgConnection, vendor: str, most: int, taken: list[Effect]) -> None:
        """As many as the vendor's limit leaves; asked only for what waits, for others share it."""
        if not self._restraint.is_limited(vendor):
            self._take_from(connection, vendor, most, taken)
            return
        waiting, before = due(connection, step=self._step, vendor=vendor, limit=most), len(taken)
        granted = self._restraint.granted(connection, vendor, waiting)
        self._told.put_off(vendor, waiting - granted, LIMIT)
        try:
            if granted:
                self._take_from(connection, vendor, granted, taken)
        finally:
            self._restraint.unused(vendor, granted - (len(taken) - before))

    def _take_from(self, connection: PsycopgConnection, vendor: str, free: int, taken: list[Effect]) -> None:
        """Retries first, as far as the budget goes: they are few, and have waited. Then new ones."""
        lease_s = self._vendors[vendor].timeout_s + self._settings.lease_margin_s
        again: list[Effect] = []
        now = time.monotonic()
        if free == 1 or now >= self._look_again_at:
            self._look_again_at = now + self._settings.poll_s
            due = due_again(connection, step=self._step, vendor=vendor, limit=free)
            reserved = self._restraint.reserve(connection, due) if due else 0
            self._told.put_off(vendor, due - reserved, Clause.BUDGET.value)
            if reserved:
                again = take(connection, step=self._step, vendor=vendor, limit=reserved, lease_s=lease_s, again=True)
                taken += again
                self._restraint.give_back(reserved - len(again))
        if len(again) < free:
            left = free - len(again)
            taken += take(connection, step=self._step, vendor=vendor, limit=left, lease_s=lease_s, again=False)

    def _attempt(self, slot: Slot, effect: Effect) -> None:
        try:
            asked_at = time.monotonic()
            with self._counted(effect.vendor):
                answer = self._ask(effect)
            self._told.called(effect.vendor, time.monotonic() - asked_at)
            self._fault_points.reach("effect.called")
            opened = self._restraint.answered(effect.vendor, answer, attempts=effect.attempts)
            self._told.answered(effect.vendor, answer)
            if opened is not None:
                self._told.breaker(effect.vendor, opened=opened)
            self._keep(self._connected(slot), effect, answer)
            self._fault_points.reach("effect.done")
        except Exception:  # the thread's edge: the effect stays sent, and falls due again when its lease ends
            logger.exception("effect_outcome_not_kept", extra={"step": self._step, "number": effect.number})
            _close(slot)
        finally:
            self._idle.append(slot)
            self._signal.set()

    @contextmanager
    def _counted(self, vendor: str) -> Iterator[None]:
        with self._counting:
            self._calls[vendor] += 1
        try:
            yield
        finally:
            with self._counting:
                self._calls[vendor] -= 1

    def _ask(self, effect: Effect) -> Answer:
        """Call the vendor, holding no transaction. What an adapter raises says nothing of the effect: unknown."""
        vendor = self._vendors[effect.vendor]
        try:
            if effect.age_s + vendor.timeout_s < vendor.key_lifetime_s or effect.is_first_send:
                return vendor.send(effect.key, effect.operation, effect.body)
            return vendor.look_up(effect.key, effect.operation)
        except Exception as error:
            logger.exception("vendor_adapter_failed", extra={"step": self._step, "vendor": effect.vendor})
            return Answer(AnswerKind.UNKNOWN, {"reason": type(error).__name__})

    def _keep(self, connection: PsycopgConnection, effect: Effect, answer: Answer) -> None:
        match answer.kind:
            case AnswerKind.DONE:
                self._end(connection, effect, Ending.DONE, answer.detail)
            case AnswerKind.REFUSED:
                self._end(connection, effect, Ending.REFUSED, answer.detail)
            case AnswerKind.ABSENT:
                # Its key is no longer safe to send: it ends here, and the judge reports it missing.
                reason = {**answer.detail, "reason": NEVER_ACCEPTED}
                self._end(connection, effect, Ending.REFUSED, reason)
            case AnswerKind.UNKNOWN:
                postpone(connection, effect, delay_s=self._delay_s(effect, answer), outcome=answer.detail)
            case AnswerKind.NOT_SENT:
                take_back = unsend if effect.is_first_send else postpone
                take_back(connection, effect, delay_s=self._delay_s(effect, answer), outcome=answer.detail)
            case AnswerKind.UNSETTLED:
                self._told.unsettled(effect.vendor)
                park(connection, effect, outcome=answer.detail)
            case _:
                assert_never(answer.kind)

    def _delay_s(self, effect: Effect, answer: Answer) -> float:
        asked_s = min(answer.retry_after_s or 0.0, self._settings.breaker.patience_cap_s)
        return full_jitter(effect.attempts, self._settings, self._rng) + asked_s

    def _end(self, connection: PsycopgConnection, effect: Effect, ending: Ending, outcome: Mapping[str, Json]) -> None:
        end_and_follow(connection, effect, ending, outcome, conclude=self._conclude, apply_writes=self._apply_writes)

    def _connected(self, slot: Slot) -> PsycopgConnection:
        if slot.connection is None:
            slot.connection = self._connect()
        return slot.connection


def full_jitter(attempts: int, settings: SenderSettings, rng: random.Random) -> float:
    """Seconds to the next attempt: uniform in 0..min(cap, base * 2**attempts)."""
    ceiling_s = settings.backoff_base_s * 2.0 ** min(attempts, 30)
    return rng.uniform(0, min(settings.backoff_cap_s, ceiling_s))


def _close(slot: Slot) -> None:
    if slot.connection is not None:
        slot.connection.close()
        slot.connection = None
