"""How fast does the relay drain a backlog to Kafka, beside the usual polling of a status column?"""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import closing

import psycopg
from kafka import KafkaConsumer, TopicPartition

from benchmarks.consuming import make_topics, producer
from benchmarks.question import Answer
from outbox import uuid7
from strangler.local import Running, Stack, wait_until

EVENTS = 20_000
BATCH = 500
PAYLOAD = b'{"filler": "' + b"x" * 186 + b'"}'
INSERT = """
INSERT INTO outbox.outbox (id, aggregatetype, aggregateid, aggregate_version, type, payload)
VALUES (%s, 'order', %s, 1, 'OrderPlaced', %s)"""
# The peer's table: what most outboxes are.
STATUS_TABLE = """
CREATE TABLE status_outbox (
    id uuid PRIMARY KEY, aggregateid text NOT NULL, payload bytea NOT NULL, sent_at timestamptz
)"""
STATUS_INDEX = "CREATE INDEX ON status_outbox (id) WHERE sent_at IS NULL"
STATUS_COPY = "INSERT INTO status_outbox SELECT id, aggregateid, payload FROM outbox.outbox"
CLAIM = """
SELECT id, aggregateid, payload FROM status_outbox WHERE sent_at IS NULL
ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"""
MARK = "UPDATE status_outbox SET sent_at = now() WHERE id = ANY(%s)"


def measure(stack: Stack) -> Answer:
    """One event per row of 200 bytes; the relay streams the WAL, the peer polls in batches and marks."""
    prefix = f"bench{secrets.token_hex(3)}."
    dsn = stack.database(f"bench_{secrets.token_hex(3)}", ("outbox",))
    environ = {
        "STRANGLER_DSN": dsn,
        "KAFKA_BOOTSTRAP": stack.bootstrap,
        "OUTBOX_SLOT": prefix.rstrip("."),
        "OUTBOX_TOPIC_PREFIX": prefix,
    }
    argv = [sys.executable, "-m", "outbox", "relay"]
    make_topics(stack.bootstrap, {f"{prefix}order": 4, f"{prefix}polled": 4})
    relay = stack.spawn("relay-bench", argv, env=environ, ready=Running.said_ready)  # makes the slot
    relay.terminate()
    fill(dsn)
    polled = poll(dsn, stack.bootstrap, f"{prefix}polled")
    relay.launch()
    drained = drain_rate(stack.bootstrap, f"{prefix}order")
    relay.terminate()
    settings = {"events": EVENTS, "payload_bytes": len(PAYLOAD), "peer_batch": BATCH, "from": "the first record on"}
    return Answer("relay_drain", "events/s", drained, {"status_polling": polled}, settings)


def drain_rate(bootstrap: str, topic: str) -> float:
    """Events per second from the first record that is there to the last."""
    with closing(KafkaConsumer(bootstrap_servers=bootstrap)) as consumer:
        partitions = [TopicPartition(topic, number) for number in range(4)]

        def count() -> int:
            return sum(consumer.end_offsets(partitions).values())

        if not wait_until(lambda: count() > 0, within_s=60, every_s=0.005):
            raise RuntimeError(f"the relay published nothing to {topic} within 60 s")
        first, begun = count(), time.monotonic()
        if not wait_until(lambda: count() >= EVENTS, within_s=120, every_s=0.005):
            raise RuntimeError(f"the relay did not drain {EVENTS} events within 120 s: {count()}")
        return (EVENTS - first) / (time.monotonic() - begun)


def fill(dsn: str) -> None:
    """One transaction per 100 events, and the same rows for the peer."""
    with psycopg.connect(dsn) as connection:
        for _ in range(EVENTS // 100):
            with connection.cursor() as cursor:
                cursor.executemany(INSERT, [(uuid7(), f"o-{i % 97}", PAYLOAD) for i in range(100)])
            connection.commit()
        for statement in (STATUS_TABLE, STATUS_INDEX, STATUS_COPY):
            connection.execute(statement)


def poll(dsn: str, bootstrap: str, topic: str) -> float:
    """Events per second of claim, send, wait for all acknowledgements, mark, commit."""
    sent, begun = 0, time.monotonic()
    with closing(producer(bootstrap)) as sending, psycopg.connect(dsn) as connection:
        while rows := connection.execute(CLAIM, [BATCH]).fetchall():
            for id_, key, payload in rows:
                headers = [("id", str(id_).encode()), ("type", b"OrderPlaced"), ("version", b"1")]
                sending.send(topic, key=key.encode(), value=bytes(payload), headers=headers)
            sending.flush(30)
            connection.execute(MARK, [[row[0] for row in rows]])
            connection.commit()
            sent += len(rows)
    return sent / (time.monotonic() - begun)
