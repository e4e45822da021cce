"""What the questions about the consumer share: a full topic, and a runtime that is timed until it has consumed it."""

from __future__ import annotations

import secrets
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer import ConsumerRuntime, Disposition, Handler, InParallel, Metric, RuntimeSettings, rarely_collected
from outbox.event import Event, SourcePosition
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from strangler.local.stack import Stack

PARTITIONS = 4
ROUNDS = 3
WITHIN_S = 300.0
SCHEMA = "search"  # any context's: it has the tables `position` and `quarantine`
PAYLOAD = b'{"filler": "' + b"x" * 186 + b'"}'


@dataclass(frozen=True, slots=True)
class Feed:
    """A topic that holds so many events, and a database of its own for who consumes it."""

    bootstrap: str
    dsn: str
    topic: str
    events: int
    keys: int

    @classmethod
    def filled(cls, stack: Stack, events: int, keys: int) -> Feed:
        """Events as the relay sends them, keys in turn, 200 bytes of payload each."""
        name = f"bench_{secrets.token_hex(3)}"
        feed = cls(stack.bootstrap, stack.database(name, (SCHEMA,)), f"{name}.order", events, keys)
        with closing(PythonAdmin(feed.bootstrap)) as admin:
            admin.ensure_topics({feed.topic: PARTITIONS})
        producer = PythonProducer(feed.bootstrap)
        try:
            for number in range(events):
                key = f"order-{number % keys}"
                event = Event("order", key, number // keys + 1, "OrderPlaced", PAYLOAD)
                headers = to_headers(event, SourcePosition("bench", number + 1, 0))
                producer.send(feed.topic, key.encode(), PAYLOAD, headers)
            producer.flush(WITHIN_S)
        finally:
            producer.close(10.0)
        return feed

    def connect(self) -> PsycopgConnection:
        return psycopg.connect(self.dsn, options=f"-csearch_path={SCHEMA}")

    def settings(self) -> dict[str, str | int]:
        return {
            "events": self.events,
            "keys": self.keys,
            "partitions": PARTITIONS,
            "payload_bytes": len(PAYLOAD),
            "rounds": ROUNDS,
        }


@dataclass
class Tally:
    """An observer that knows when the first partition was opened and when the last event had its disposition."""

    events: int
    begun: float = 0.0
    ended: float = 0.0
    seen: int = 0
    all_seen: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, name: str, value: int, **labels: str) -> None:
        with self.lock:
            if name == Metric.ASSIGNED and not self.begun:
                self.begun = time.monotonic()
            if name == Metric.DISPOSITION and labels["disposition"] == Disposition.APPLIED:
                self.seen += value
                if self.seen == self.events:
                    self.ended = time.monotonic()
                    self.all_seen.set()


def consume(feed: Feed, handler: Handler | InParallel, settings: RuntimeSettings) -> float:
    """Events per second of a new group, from the first open partition to the last disposition."""
    group, tally = f"bench-{secrets.token_hex(3)}", Tally(feed.events)
    with closing(PythonAdmin(feed.bootstrap)) as admin:
        runtime = ConsumerRuntime(
            consumer=PythonConsumer(feed.bootstrap, group=group),
            admin=admin,
            connect=feed.connect,
            group=group,
            topics=[feed.topic],
            handler=handler,
            settings=settings,
            observe=tally,
            reader=lambda: PythonReader(feed.bootstrap),
        )
        thread = threading.Thread(target=runtime.run, name="runtime")
        with rarely_collected():  # as every process does that only consumes
            thread.start()
            done = tally.all_seen.wait(WITHIN_S)
            runtime.stop()
            thread.join()
    if not done:
        raise RuntimeError(f"the runtime applied {tally.seen} of {feed.events} events within {WITHIN_S:g} s")
    check_positions(feed, group)
    return feed.events / (tally.ended - tally.begun)


def check_positions(feed: Feed, group: str) -> None:
    """Every lane of every partition must stand at the end of its log: a fast loss is no answer."""
    with closing(PythonAdmin(feed.bootstrap)) as admin, feed.connect() as connection:
        ends = admin.end_offsets([feed.topic])
        rows = connection.execute(
            "SELECT partition, min(next_offset) FROM position WHERE group_name = %s GROUP BY 1", [group]
        ).fetchall()
    stood = {int(partition): int(offset) for partition, offset in rows}
    wanted = {one.partition: end for one, end in ends.items()}
    if stood != wanted:
        raise RuntimeError(f"positions are {stood}, the log ends at {wanted}")


def median_of_rounds(measures: Sequence[Callable[[], float]]) -> list[float]:
    """The median of each; the rounds alternate, so that all meet the same weather."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]
