"""The rounds of a hand-back: every subject to a small pool, and again while it is not ready, until time is up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from strangler.hand_back import tables
from strangler.hand_back.order import HandBackOutcome, HandBackWorker
from strangler.hand_back.tables import Order

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class Rounds:
    """`attempt` pages of subjects, then `retry`, then read `counts`. One worker per thread of the pool."""

    def __init__(self, pool: ThreadPoolExecutor, workers: Sequence[HandBackWorker], deadline: float) -> None:
        self._pool, self._workers, self._deadline = pool, workers, deadline
        self._ended = Counter[HandBackOutcome]()
        self._again: list[tuple[Order, HandBackOutcome]] = []
        self._looked_last: set[str] = set()
        self._parts: set[str] = set()  # attempted: a page may bring them before their request has ended

    def count_started(self, orders: int) -> None:
        """Orders of which the claims say, without an attempt, that the new side has them."""
        self._ended[HandBackOutcome.STARTED] += orders

    def attempt(self, orders: Sequence[Order]) -> None:
        """Once each, in parallel. What may still change is kept for `retry`."""
        shares = [orders[start :: len(self._workers)] for start in range(len(self._workers))]
        results = [one for share in self._pool.map(self._share, self._workers, shares) for one in share]
        self._parts |= {order.subject_ref for order in orders if order.part_of}
        absent = [order.subject_ref for order, outcome in results if outcome is HandBackOutcome.NOT_COMMITTED]
        coming = tables.under_way(self._workers[0].main, absent) if absent else set()
        gone = []
        for order, outcome in results:
            if outcome is HandBackOutcome.FAILED or (
                outcome is HandBackOutcome.NOT_COMMITTED and self._wait_for(order, coming)
            ):
                self._again.append((order, outcome))
            elif outcome is HandBackOutcome.NOT_COMMITTED:
                gone.append(order)
            else:
                self._ended[outcome] += 1
        if gone:
            self._attempt_parts(gone)

    def _attempt_parts(self, gone: Sequence[Order]) -> None:
        """Legacy has no subject of that reference: its request has made several others, or none."""
        worker = self._workers[0]
        bases, found = tables.parts(worker.main, [each.subject_ref for each in gone], worker.audit.step)
        self._ended[HandBackOutcome.NOT_COMMITTED] += len(gone) - len(bases)
        new = [part for part in found if part.subject_ref not in self._parts]
        if new:
            self.attempt(new)

    def retry(self, pause: Callable[[float], None] = time.sleep) -> None:
        """Rounds with growing pauses."""
        pause_s = FIRST_PAUSE_S
        while self._again and time.monotonic() + pause_s < self._deadline:
            pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            orders = [order for order, _ in self._again]
            self._again = []
            self.attempt(orders)

    def stop(self) -> None:
        """Let the threads end after the subject that each has in hand."""
        self._deadline = 0.0

    def counts(self) -> Counter[HandBackOutcome]:
        """Orders by outcome; those that are still waiting by their latest."""
        return self._ended + Counter(outcome for _, outcome in self._again)

    def _share(self, worker: HandBackWorker, orders: Sequence[Order]) -> list[tuple[Order, HandBackOutcome]]:
        return [(order, self._one(worker, order)) for order in orders]

    def _one(self, worker: HandBackWorker, order: Order) -> HandBackOutcome:
        return worker.hand_back(order) if time.monotonic() < self._deadline else HandBackOutcome.FAILED

    def _wait_for(self, order: Order, coming: set[str]) -> bool:
        """A subject may commit between legacy's 404 and our look at its request: each gets one look after that."""
        if order.subject_ref in coming:
            return True
        first_time = order.subject_ref not in self._looked_last
        self._looked_last.add(order.subject_ref)
        return first_time
