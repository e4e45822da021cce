"""What do events that fail once cost those that do not? Throughput with 1% and 10% of them, beside none."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks.consumer_effect import EFFECT, check_once, clear
from benchmarks.consuming import Feed, consume, median_of_rounds
from benchmarks.question import Answer
from outbox import Disposition, Policy, PsycopgConnection, ReceivedEvent
from outbox.policy import Expired, Retry
from strangler.local import Stack

EVENTS = 40_000
KEYS = 1_000
SHARES = {"failing_1_percent": 100, "failing_10_percent": 10}  # one of so many
BUDGET = 0.25  # of the deliveries, declared for it
NEVER = 10**9  # the handler of `healthy` asks the same question, and finds none


@dataclass(slots=True)
class FailingOnce:
    """A handler that writes a row per event, a statement each, and raises at each `nth` event the first time."""

    nth: int
    seen: set[tuple[str, int]] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for one in events:
            self._fail_once(one.event.aggregate_id, one.event.aggregate_version)
            connection.execute(EFFECT, [one.event.aggregate_id, one.event.aggregate_version])
        return [Disposition.APPLIED] * len(events)

    def _fail_once(self, ref: str, version: int) -> None:
        if (int(ref.removeprefix("order-")) * 7919 + version * 104_729) % self.nth:
            return
        with self.lock:
            first = (ref, version) not in self.seen
            self.seen.add((ref, version))
        if first:
            raise ConnectionError("its vendor closed the connection")


def measure(stack: Stack) -> Answer:
    """`ratio` is the throughput with 1% of the events failing once as a share of that with none (`healthy`)."""
    feed = Feed.filled(stack, EVENTS, KEYS)
    healthy, *failing = median_of_rounds([partial(rate, feed, nth) for nth in (NEVER, *SHARES.values())])
    rates = dict(zip(SHARES, failing, strict=True))
    first = rates.pop("failing_1_percent")
    return Answer(
        "consumer_retry",
        "events/s",
        first,
        {"healthy": healthy, **rates},
        {**feed.settings(), "budget_ratio": BUDGET},
    )


def rate(feed: Feed, nth: int) -> float:
    clear(feed)
    retry = Retry(budget_ratio=BUDGET)
    policy = Policy.lossless(3_600.0, "the position", expired=Expired.RUN, retry=retry)
    found = consume(feed, FailingOnce(nth), policy)
    check_once(feed)
    return found
