"""How fast does the runtime hand events over, key-ordered and with all guards, beside a bare poll loop?"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from kafka import KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor

from benchmarks.consuming import (
    FETCH_WAIT_MS,
    POLL_RECORDS,
    WITHIN_S,
    Feed,
    consume,
    median_of_rounds,
    rarely_collected,
)
from benchmarks.question import Answer
from outbox import Disposition, PsycopgConnection, ReceivedEvent
from strangler.local import Stack

EVENTS = 200_000
JOIN_WAIT_MS = 10_000  # a short poll would throw a join away for good (kafka-python 3.0.12)
KEYS = 1_000


def measure(stack: Stack) -> Answer:
    """A handler that does nothing; positions and fences are written as ever."""
    feed = Feed.filled(stack, EVENTS, KEYS)
    ours, bare = median_of_rounds([lambda: consume(feed, nothing), lambda: bare_poll(feed)])
    return Answer("consumer_noop", "records/s", ours, {"bare_poll": bare}, dict(feed.settings()))


def nothing(
    connection: PsycopgConnection,  # noqa: ARG001 - a handler's shape
    events: Sequence[ReceivedEvent],
) -> Sequence[Disposition]:
    """The handler."""
    return [Disposition.APPLIED] * len(events)


def bare_poll(feed: Feed) -> float:
    """Records per second of kafka-python's poll in a loop, from the first record on; what is fetched is dropped.

    It is given all that the runtime gives its own client: the waits, no metrics, as many records a poll, and a
    collector that runs as rarely. Not given are our reading of batches and our threads.
    """
    consumer = KafkaConsumer(
        feed.topic,
        bootstrap_servers=feed.bootstrap,
        group_id=f"bare-{secrets.token_hex(3)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        partition_assignment_strategy=[RangePartitionAssignor],
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_poll_records=POLL_RECORDS,
        metrics_enabled=False,
    )
    first, seen, until = 0.0, 0, time.monotonic() + WITHIN_S
    try:
        with rarely_collected():
            while seen < feed.events and time.monotonic() < until:
                fetched = consumer.poll(timeout_ms=FETCH_WAIT_MS if first else JOIN_WAIT_MS)
                if fetched and not first:
                    first = time.monotonic()
                seen += sum(map(len, fetched.values()))
            ended = time.monotonic()
    finally:
        consumer.close(autocommit=False)
    if seen < feed.events:
        raise RuntimeError(f"the bare loop read {seen} of {feed.events} records within {WITHIN_S:g} s")
    return seen / (ended - first)
