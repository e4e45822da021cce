"""What does an exactly-once database effect cost, beside a transaction per event, and beside a framework's?"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import closing

from kafka import KafkaConsumer, TopicPartition

from benchmarks.consuming import (
    FETCH_WAIT_MS,
    PARTITIONS,
    POLL_RECORDS,
    WITHIN_S,
    Feed,
    consume,
    median_of_rounds,
    rarely_collected,
)
from benchmarks.peers.run import peer
from benchmarks.question import Answer, LeftOut
from outbox import Disposition, PsycopgConnection, ReceivedEvent
from strangler.local import Stack

EVENTS = 100_000
# A short poll would throw the join away that its answer came too late for, and kafka-python would not begin another.
JOIN_WAIT_MS = 10_000
PEER_EVENTS = 4_000  # the peers are slow: these are enough
KEYS = 1_000
TABLES = """
CREATE TABLE IF NOT EXISTS effects (order_ref text, version bigint);
CREATE TABLE IF NOT EXISTS inbox (event_id uuid PRIMARY KEY);
CREATE TABLE IF NOT EXISTS stands (partition integer PRIMARY KEY, next_offset bigint);
TRUNCATE effects, inbox, stands"""
EFFECTS = "INSERT INTO effects (order_ref, version) SELECT * FROM unnest(%s::text[], %s::bigint[])"
EFFECT = "INSERT INTO effects (order_ref, version) VALUES (%s, %s)"
STAND = """
INSERT INTO stands (partition, next_offset) VALUES (%s, %s)
ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset"""
INBOX = "INSERT INTO inbox (event_id) VALUES (%s) ON CONFLICT DO NOTHING RETURNING true"


def measure(stack: Stack) -> Answer:
    """A row per event. Ours takes runs of a lane; `one_by_one` is the same handler behind an inbox row per event.

    `bare_effect` is the same rows with a position in the same transaction, and nothing of a runtime: no groups, lanes,
    fences, policy, retries. `faststream` is a framework in the manner of `one_by_one`; `faststream_batch` is the
    framework's batches, one transaction each.
    """
    feed, few = Feed.filled(stack, EVENTS, KEYS), Feed.filled(stack, PEER_EVENTS, KEYS)
    ours, bare, single = median_of_rounds(
        [lambda: effects_of(feed), lambda: bare_effect(feed), lambda: one_by_one(few)]
    )
    frameworks = {name: framework_of(name, its) for name, its in (("faststream", few), ("faststream_batch", feed))}
    peers = {"one_by_one": single, "bare_effect": bare, **frameworks}
    return Answer("consumer_effect", "events/s", ours, peers, {**feed.settings(), "peer_events": PEER_EVENTS})


def write(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
    """The handler."""
    order_refs = [one.event.aggregate_id for one in events]
    connection.execute(EFFECTS, [order_refs, [one.event.aggregate_version for one in events]])
    return [Disposition.APPLIED] * len(events)


def effects_of(feed: Feed) -> float:
    clear(feed)
    rate = consume(feed, write)
    check_once(feed)
    return rate


def bare_effect(feed: Feed) -> float:
    """A loop over all partitions: poll, and for what came of a partition its rows and its position in a transaction."""
    clear(feed)
    seen, begun, until = 0, 0.0, time.monotonic() + WITHIN_S
    consumer = KafkaConsumer(
        bootstrap_servers=feed.bootstrap,
        fetch_max_wait_ms=FETCH_WAIT_MS,
        max_poll_records=POLL_RECORDS,
        metrics_enabled=False,
    )
    with closing(consumer), feed.connect() as connection, rarely_collected():
        consumer.assign([TopicPartition(feed.topic, number) for number in range(PARTITIONS)])
        consumer.seek_to_beginning()
        while seen < feed.events and time.monotonic() < until:
            fetched = consumer.poll(timeout_ms=FETCH_WAIT_MS)
            begun = begun or time.monotonic()
            for partition, records in fetched.items():
                versions = [int(dict(record.headers)["version"]) for record in records]
                with connection.transaction():
                    connection.execute(EFFECTS, [[record.key.decode() for record in records], versions])
                    connection.execute(STAND, [partition.partition, records[-1].offset + 1])
                seen += len(records)
        ended = time.monotonic()
    check_once(feed)
    return seen / (ended - begun)


def one_by_one(feed: Feed) -> float:
    """The usual consumer: poll, and for each event a transaction with its inbox row and its effect."""
    clear(feed)
    seen, begun, until = 0, 0.0, time.monotonic() + WITHIN_S
    consumer = KafkaConsumer(
        feed.topic,
        bootstrap_servers=feed.bootstrap,
        group_id=f"single-{secrets.token_hex(3)}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        metrics_enabled=False,
    )
    with closing(consumer), feed.connect() as connection:
        while seen < feed.events and time.monotonic() < until:
            for records in consumer.poll(timeout_ms=JOIN_WAIT_MS, max_records=500).values():
                for record in records:
                    begun = begun or time.monotonic()
                    headers = dict(record.headers)
                    with connection.transaction():
                        if connection.execute(INBOX, [headers["id"].decode()]).fetchone():
                            connection.execute(EFFECT, [record.key.decode(), int(headers["version"])])
                    seen += 1
        ended = time.monotonic()
    check_once(feed)
    return seen / (ended - begun)


def framework_of(name: str, feed: Feed) -> float | LeftOut:
    clear(feed)
    dsn = f"{feed.dsn}?options=-csearch_path%3Dsearch"
    group = f"fs-{secrets.token_hex(3)}"
    rate = peer(name, feed.bootstrap, feed.topic, group, dsn, str(feed.events), str(PARTITIONS))
    if not isinstance(rate, LeftOut):
        check_once(feed)
    return rate


def clear(feed: Feed) -> None:
    with feed.connect() as connection:
        connection.execute(TABLES)


def check_once(feed: Feed) -> None:
    """Every event has one effect: otherwise there is nothing to compare."""
    with feed.connect() as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT (order_ref, version)) FROM effects").fetchone()
    if found != (feed.events, feed.events):
        raise RuntimeError(f"{feed.events} events left {found} effects (all, distinct)")
