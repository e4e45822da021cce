"""A pool of threads for work that waits for something else than the database, many keys at once, each key in order.

The work of a run is done before its transaction begins, so no connection is held meanwhile. What is done is
remembered with the lane until the position has passed it: a run that is tried again repeats none of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from outbox.connection import PsycopgConnection
from outbox.consumer.application import Application
from outbox.consumer.handler import Disposition, Handler, InParallel, Poison
from outbox.consumer.middleware.stack import Middleware
from outbox.consumer.partitions.run import Run
from outbox.errors import ConfigurationError, Fenced
from outbox.event import ReceivedEvent
from outbox.policy import OverBudget


@dataclass(slots=True)
class _Batch:
    """The chains of a run, one for each key."""

    chains: int
    failures: dict[int, Exception] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def chain_ended(self) -> None:
        with self.lock:
            self.chains -= 1
            if self.chains == 0:
                self.ended.set()


class KeyedThreadPool:
    """Shared by the workers of a runtime."""

    def __init__(self, how: InParallel) -> None:
        self._work, self.count = how.done, how.hands
        self._chains: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def run(self) -> None:
        """One hand, until `stop`; a body for a thread."""
        while (chain := self._chains.get()) is not None:
            chain()

    def stop(self) -> None:
        """Ends every hand when the chains before are done."""
        for _ in range(self.count):
            self._chains.put(None)

    def work_off(self, run: Run, how: Application) -> dict[int, Exception]:
        """Wait until the run's work is done as far as it can be; why the first event of a key failed, by offset.

        `Fenced` stands for events that were not begun, because the partition is being given up. Raises `Doubtful`.
        """
        found = how.sort(run, run.parked_keys, {})
        run.decoded.update((one.offset, one) for one in found.events)  # its transaction sorts it again
        chains: dict[str, list[ReceivedEvent]] = {}
        for one in found.events:
            if one.offset not in run.worked:
                chains.setdefault(one.event.partition_key or one.event.aggregate_id, []).append(one)
        batch = _Batch(len(chains))
        for chain in chains.values():
            self._chains.put(lambda chain=chain: self._work_off(run, chain, batch))  # type: ignore[misc] # bound now
        if chains:
            batch.ended.wait()  # as long as the work takes; a drain or a revoke does not wait for it
        return batch.failures

    def handler(self, run: Run, failures: dict[int, Exception]) -> _Tell:
        return _Tell(self._work, run, failures)

    def _work_off(self, run: Run, chain: Sequence[ReceivedEvent], batch: _Batch) -> None:
        """Up to the first failure: what follows it in its key must wait for it."""
        for one in chain:
            try:
                if run.given_up.yes:
                    raise Fenced(f"{one.topic}/{one.partition} is being given up: its work stops")
                run.worked[one.offset] = self._work(one)
            except Exception as error:  # noqa: BLE001 - a thread's edge: the worker decides
                batch.failures[one.offset] = error
                break
        batch.chain_ended()


@dataclass(frozen=True, slots=True)
class _Tell:
    """The handler of a run whose work is done: it says what became of it, or raises what went wrong."""

    work: Callable[[ReceivedEvent], Disposition]
    run: Run
    failures: dict[int, Exception]

    def __call__(
        self,
        connection: PsycopgConnection,  # noqa: ARG002 - a handler's shape
        events: Sequence[ReceivedEvent],
    ) -> Sequence[Disposition]:
        return [self._of(index, one) for index, one in enumerate(events)]

    def _of(self, index: int, one: ReceivedEvent) -> Disposition:
        failure = self.failures.get(one.offset)
        if isinstance(failure, Poison):
            raise Poison(index, failure.reason)
        if failure is not None:
            raise failure
        if one.offset not in self.run.worked:  # its key was freed between the work and the transaction
            self.run.worked[one.offset] = self.work(one)
        return self.run.worked[one.offset]


def pool_for(handler: Handler | InParallel, middleware: Middleware, over_budget: OverBudget) -> KeyedThreadPool | None:
    """The pool for `InParallel`; None for a handler. `ConfigurationError` for terms that such work cannot keep."""
    if not isinstance(handler, InParallel):
        return None
    if over_budget is not OverBudget.DEFER:
        raise ConfigurationError(
            f"over_budget is {over_budget}, which would end work of InParallel that is done already; set it to defer"
        )
    if middleware:
        raise ConfigurationError(
            "expiry, versions and samples are judged in the transaction, after InParallel's work; give it a handler"
        )
    return KeyedThreadPool(handler)
