"""What the questions about the consumer share: a full topic, and a runtime that is timed until it has consumed it."""

from __future__ import annotations

import gc
import secrets
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from outbox import Consumer, Disposition, Event, Handler, InParallel, Policy, PsycopgConnection
from outbox.policy import Expired
from outbox.testing import as_record
from strangler.local import Stack

ASSIGNED, DISPOSITION = "consumer_assigned", "consumer_disposition"  # counts that a consumer tells
PARTITIONS = 4
FETCH_WAIT_MS, POLL_RECORDS = 100, 2_000  # what the runtime gives its own client
ROUNDS = 3
WITHIN_S = 300.0
SCHEMA = "search"  # any context's: it has the tables `position` and `quarantine`
PAYLOAD = b'{"filler": "' + b"x" * 186 + b'"}'
SOURCE = "SELECT system_identifier || '/' || current_database() FROM pg_control_system()"
YOUNG_OBJECTS = 100_000  # with Python's 700 the collector looks at the queued records again and again


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
        make_topics(feed.bootstrap, {feed.topic: PARTITIONS})
        with feed.connect() as connection:
            row = connection.execute(SOURCE).fetchone()
        assert row is not None
        with closing(producer(feed.bootstrap)) as sending:
            for number in range(events):
                key = f"order-{number % keys}"
                event = Event("order", key, number // keys + 1, "OrderPlaced", PAYLOAD)
                record = as_record(event, row[0], number + 1)
                sending.send(feed.topic, key=record[0], value=record[1], headers=record[2])
            sending.flush(WITHIN_S)
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
            if name == ASSIGNED and not self.begun:
                self.begun = time.monotonic()
            if name == DISPOSITION and labels["disposition"] == Disposition.APPLIED:
                self.seen += value
                if self.seen == self.events:
                    self.ended = time.monotonic()
                    self.all_seen.set()


NOBODY_ASKS_THE_TIME = Policy.lossless(3_600.0, "the position", expired=Expired.RUN)


def consume(feed: Feed, handler: Handler | InParallel, policy: Policy = NOBODY_ASKS_THE_TIME) -> float:
    """Events per second of a new group, from the first open partition to the last disposition."""
    group, tally = f"bench-{secrets.token_hex(3)}", Tally(feed.events)
    consumer = Consumer(
        topics=[feed.topic],
        prefix="",
        group=group,
        handler=handler,
        dsn=feed.dsn,
        bootstrap=feed.bootstrap,
        schema=SCHEMA,
        observe=tally,
        policy=policy,
    )
    thread = threading.Thread(target=consumer.run, name="consumer")
    with rarely_collected():
        thread.start()
        done = tally.all_seen.wait(WITHIN_S)
        consumer.stop()
        thread.join()
    if not done:
        raise RuntimeError(f"the consumer applied {tally.seen} of {feed.events} events within {WITHIN_S:g} s")
    check_positions(feed, group)
    return feed.events / (tally.ended - tally.begun)


@contextmanager
def rarely_collected() -> Iterator[None]:
    """The garbage collector as in a process that only consumes, for all that is measured."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def check_positions(feed: Feed, group: str) -> None:
    """Every lane of every partition must stand at the end of its log: a fast loss is no answer."""
    with feed.connect() as connection:
        rows = connection.execute(
            "SELECT partition, min(next_offset) FROM position WHERE group_name = %s GROUP BY 1", [group]
        ).fetchall()
    stood, wanted = {int(partition): int(offset) for partition, offset in rows}, ends_of(feed.bootstrap, feed.topic)
    if stood != wanted:
        raise RuntimeError(f"positions are {stood}, the log ends at {wanted}")


def producer(bootstrap: str) -> KafkaProducer:
    """kafka-python's, with batches that make it quick."""
    return KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5, batch_size=256 * 1024)


def make_topics(bootstrap: str, topics: Mapping[str, int]) -> None:
    """Returns when each partition has a leader."""
    wanted = [NewTopic(name, num_partitions=count, replication_factor=-1) for name, count in topics.items()]
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        admin.create_topics(wanted)
        until = time.monotonic() + WITHIN_S
        while any(one["error_code"] or _leaderless(one["partitions"]) for one in admin.describe_topics(list(topics))):
            if time.monotonic() > until:
                raise RuntimeError(f"topics {sorted(topics)} do not appear")


def _leaderless(partitions: Sequence[Mapping[str, int]]) -> bool:
    return any(one["leader_id"] < 0 for one in partitions)


def ends_of(bootstrap: str, topic: str) -> dict[int, int]:
    """The next offset of each partition."""
    with closing(KafkaConsumer(bootstrap_servers=bootstrap)) as consumer:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        return {one.partition: int(end) for one, end in consumer.end_offsets(partitions).items()}


def median_of_rounds(measures: Sequence[Callable[[], float]]) -> list[float]:
    """The median of each; the rounds alternate, so that all meet the same weather."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]
