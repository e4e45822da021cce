"""What the facade counts and times: one row of cells in each worker, and the page of all workers together."""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from outbox.catalogue import BUCKETS_S
from outbox.metrics import Counters
from strangler.errors import BadOwnership
from strangler.facade import problem
from strangler.facade.exchange_timer import ExchangeTimer
from strangler.facade.facade_catalogue import COUNTED, FACADE, LIMIT, Bounded, ClaimState, Sent, label_values
from strangler.facade.message import RequestOutcome, Response
from strangler.facade.series import Series
from strangler.facade.shared_cells import SharedCells
from strangler.ownership import Ownership

logger = logging.getLogger(__name__)

MOST_NAMED = 100  # unknown series that a worker names in its log; a log must not grow with requests

_CAUSES = {
    problem.IN_PROGRESS.kind: ClaimState.IN_FLIGHT,
    problem.OTHER_REQUEST.kind: ClaimState.OTHER_REQUEST,
    problem.KEY_EXPIRED.kind: ClaimState.OTHER_REQUEST,
    problem.CALLER_UNKNOWN.kind: ClaimState.OTHER_CALLER,
    problem.DATABASE_DOWN.kind: ClaimState.NOT_STORED,
    problem.UPSTREAM_DOWN.kind: ClaimState.RELEASED,
}
_OUTCOMES = {
    RequestOutcome.ANSWERED: ClaimState.WON,
    RequestOutcome.NOT_TAKEN: ClaimState.RELEASED,
    RequestOutcome.REPLAYED: ClaimState.REPLAYED,
    RequestOutcome.FOUND: ClaimState.FOUND,
}


class Measures(Protocol):
    """What a worker tells. Safe from every thread; nothing here raises, for no measure may change an answer."""

    def requested(self, route: str, answer: Response | None, seconds: float) -> None:
        """A request that was answered, or that ended in an error of ours (None)."""

    def claimed(self, route: str, answer: Response) -> None:
        """A request of an owned route that had a key to be claimed."""

    def pinned(self, owners: str | None) -> None:
        """A subject was pinned; `owners` as its header says it."""

    def expired(self, answered: int, unanswered: int) -> None:
        """So many keys were forgotten."""

    def exchange(self, failures: Mapping[type[BaseException], Sent]) -> AbstractContextManager[None]:
        """Times one; the first of `failures` that fits says what became of it."""

    def use(self, what: Bounded, change: int) -> None:
        """So many more, or fewer, are in use."""

    def dropped(self, fields: int) -> None:
        """So many fields of an answer went no further."""

    def admitted(self, work: str, said: str) -> None:
        """What a request was told that asked to be let in."""

    def level(self, change: int, *gauge: str) -> None:
        """A gauge of the catalogue, with its labels' values, is so much higher, or lower."""

    def read(self, read: str, outcome: str, why: str) -> None:
        """What became of a read that another application takes over."""

    def evicted(self) -> None:
        """A client made room for another."""

    def degraded(self, work: str) -> None:
        """A request of that class was let in with the hint that it may cost less."""

    def mode(self, name: str) -> None:
        """It begins to hold, and the one before ends; "": none holds."""


class Unmeasured:
    """Where no page is served: nothing is counted."""

    def requested(self, route: str, answer: Response | None, seconds: float) -> None:
        pass

    def claimed(self, route: str, answer: Response) -> None:
        pass

    def pinned(self, owners: str | None) -> None:
        pass

    def expired(self, answered: int, unanswered: int) -> None:
        pass

    def exchange(self, failures: Mapping[type[BaseException], Sent]) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def use(self, what: Bounded, change: int) -> None:
        pass

    def dropped(self, fields: int) -> None:
        pass

    def admitted(self, work: str, said: str) -> None:
        pass

    def level(self, change: int, *gauge: str) -> None:
        pass

    def read(self, read: str, outcome: str, why: str) -> None:
        pass

    def evicted(self) -> None:
        pass

    def degraded(self, work: str) -> None:
        pass

    def mode(self, name: str) -> None:
        pass


class WorkerMeasures:
    """One worker's row of the page."""

    def __init__(self, series: Series, cells: memoryview[float], steps: Iterable[str] = ()) -> None:
        self._series, self._cells, self._steps = series, cells, tuple(steps)
        self._lock = threading.Lock()
        self._strange: set[tuple[str, ...]] = set()
        self._pinned: dict[str | None, list[int]] = {}
        self._mode = ""

    def requested(self, route: str, answer: Response | None, seconds: float) -> None:
        outcome, status = (RequestOutcome.ERROR, 500) if answer is None else (answer.outcome, answer.status)
        status_class = min(status // 100, 5)  # RFC 9110 section 15: what is above counts as a failure of the server's
        self._add(1, "facade_requests", route, outcome, f"{status_class}xx")
        self._time(seconds, "facade_request_seconds", route, outcome)
        if answer is not None and answer.cause:
            self._add(1, "facade_refused", answer.cause)

    def claimed(self, route: str, answer: Response) -> None:
        self._add(1, "facade_claims", route, claim_state(answer))

    def pinned(self, owners: str | None) -> None:
        places = self._pinned.get(owners)
        if places is None:
            places = self._places_of(owners)
        with self._lock:
            for place in places:
                self._cells[place] += 1

    def expired(self, answered: int, unanswered: int) -> None:
        self._add(answered, "facade_expired", "yes")
        self._add(unanswered, "facade_expired", "no")

    def exchange(self, failures: Mapping[type[BaseException], Sent]) -> AbstractContextManager[None]:
        return ExchangeTimer(self._time, failures)

    def use(self, what: Bounded, change: int) -> None:
        self._add(change, "facade_in_use", what)

    def dropped(self, fields: int) -> None:
        self._add(fields, "facade_fields_dropped")

    def admitted(self, work: str, said: str) -> None:
        self._add(1, "facade_admission", work, said)

    def level(self, change: int, *gauge: str) -> None:
        self._add(change, *gauge)

    def read(self, read: str, outcome: str, why: str) -> None:
        self._add(1, "facade_reads", read, outcome, why)

    def evicted(self) -> None:
        self._add(1, "facade_clients_evicted")

    def _places_of(self, owners: str | None) -> list[int]:
        """Of a pin. There are as many as cohorts at an epoch; those of earlier ones need not be kept."""
        try:
            given = Ownership.from_header(owners)
        except BadOwnership:
            logger.exception("pinned_unread")
            return []
        if len(self._pinned) >= MOST_NAMED:
            self._pinned.clear()
        found = [self._place(("facade_pinned", step, given.of(step))) for step in self._steps]
        self._pinned[owners] = [place for place in found if place is not None]
        return self._pinned[owners]

    def degraded(self, work: str) -> None:
        self._add(1, "facade_degraded", work)

    def mode(self, name: str) -> None:
        if self._mode:
            self._add(-1, "facade_mode", self._mode)
        if name:
            self._add(1, "facade_mode", name)
        self._mode = name

    def _add(self, value: float, *series: str) -> None:
        place = self._place(series)
        if place is not None:
            with self._lock:
                self._cells[place] += value

    def _time(self, seconds: float, *series: str) -> None:
        place = self._place(series)
        if place is not None:
            with self._lock:
                self._cells[place + bisect_left(BUCKETS_S, seconds)] += 1
                self._cells[place + len(BUCKETS_S) + 1] += seconds

    def _place(self, series: tuple[str, ...]) -> int | None:
        """None, named once, for what the catalogue does not know."""
        place = self._series.places.get(series)
        if place is None and series not in self._strange and len(self._strange) < MOST_NAMED:
            self._strange.add(series)
            logger.error("metric_unknown", extra={"metric": " ".join(series)})
        return place


class SharedMeasures:
    """Made before the workers are forked; each makes its own, and each can show the page of all.

    `limits` are one worker's.
    """

    def __init__(
        self,
        routes: Iterable[str],
        steps: Iterable[str],
        workers: int,
        limits: Mapping[Bounded, int],
        *,
        classes: Iterable[str] = (),
        consumers: Iterable[str] = (),
        modes: Iterable[str] = (),
        reads: Iterable[str] = (),
    ) -> None:
        self._steps = tuple(steps)
        self._limits = {what: workers * most for what, most in limits.items()}
        self._series = Series(COUNTED, label_values(routes, self._steps, classes, consumers, modes, reads=reads))
        self._cells = SharedCells(self._series.width, workers)

    def of_worker(self) -> WorkerMeasures:
        """Called after the fork."""
        return WorkerMeasures(self._series, self._cells.take_row(self._series.gauges), self._steps)

    def page(self) -> str:
        """Prometheus' text format."""
        counters = Counters({"context": "facade"}, FACADE)
        self._series.fill(counters, self._cells.total())
        for what, most in self._limits.items():
            counters.set(LIMIT.name, most, what=what)
        return counters.page()


def claim_state(answer: Response) -> ClaimState:
    """How the request of this answer stood to its claim."""
    return _CAUSES.get(answer.cause) or _OUTCOMES.get(answer.outcome, ClaimState.UNKNOWN)
