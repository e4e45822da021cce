"""Invoices made in one transaction with their events, and counted by day on the other side of Kafka."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg

from outbox import Consumer, Event, KafkaSettings, Policy, PsycopgConnection, ReceivedEvent, Relay, append, migrate

DSN, KAFKA = os.environ["BILLING_DSN"], KafkaSettings.from_environ(os.environ)  # KAFKA_BOOTSTRAP=localhost:9092
TABLES = """
CREATE TABLE IF NOT EXISTS invoice (number int PRIMARY KEY);
CREATE TABLE IF NOT EXISTS total (day text PRIMARY KEY, n int)"""
UPSERT = "INSERT INTO total VALUES (%s, 1) ON CONFLICT (day) DO UPDATE SET n = total.n + 1"


def invoice(number: int, day: str) -> None:
    with psycopg.connect(DSN) as connection:  # commits at its end: the row and its event, or neither
        connection.execute("INSERT INTO invoice VALUES (%s)", (number,))
        append(connection, Event("invoice", f"invoice-{number}", 1, "InvoiceMade", {"day": day}))


def count(connection: PsycopgConnection, received: Sequence[ReceivedEvent]) -> None:
    days = [one.event.json()["day"] for one in received if one.event.type == "InvoiceMade"]
    connection.cursor().executemany(UPSERT, [(day,) for day in days])  # commits with the consumer's position


def main() -> None:
    with psycopg.connect(DSN) as connection:
        connection.execute(TABLES)
        migrate(connection, "outbox", "outbox")
    relay = Relay(dsn=DSN, bootstrap=KAFKA)
    policy = Policy.lossless(deadline_s=3600, guard="the position")
    consumer = Consumer(topics=["invoice"], group="totals", handler=count, dsn=DSN, bootstrap=KAFKA, policy=policy)
    consumer.migrate()
    signal.signal(signal.SIGTERM, lambda *_: consumer.stop())
    with ThreadPoolExecutor() as threads:
        publishing = threads.submit(relay.run)
        publishing.add_done_callback(lambda _: consumer.stop())  # a relay that dies ends the process
        try:
            consumer.run()
        finally:
            relay.stop()
    publishing.result()  # raises what ended it


if __name__ == "__main__":
    main()
