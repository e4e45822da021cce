"""A town for the judge: orders, events, both sides' rows and positions, written by hand into real systems."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from outbox import Event, append
from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.lanes import lane_of
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.ownership import Owner, Ownership
from strangler.plan import Plan
from strangler.reconcile.report import Report
from strangler.reconcile.run import reconcile
from strangler.step.intents import Json, effect_key
from tests.integration.reconcile_plan import INDEXING, MAILING, TABLES, document_body, mail_body, plan

PARTITIONS, LANES = 2, 3
ADVANCE = "SELECT pg_replication_slot_advance(%s, pg_current_wal_flush_lsn())"
SCHEMAS = {MAILING: "notification", INDEXING: "search"}


class Town:
    """One database, one topic, a slot of its own. Everything that it writes is committed at once."""

    def __init__(self, dsn: str, bootstrap: str, topic_prefix: str) -> None:
        self.dsn, self.topic = dsn, topic_prefix + "order"
        self.slot = topic_prefix.rstrip(".")
        self.environ = {
            "STRANGLER_DSN": dsn,
            "TOWN_LEDGER_DSN": dsn,
            "KAFKA_BOOTSTRAP": bootstrap,
            "OUTBOX_SLOT": self.slot,
            "OUTBOX_TOPIC_PREFIX": topic_prefix,
            "OUTBOX_GROUP_PREFIX": topic_prefix,
        }
        self.admin = PythonAdmin(bootstrap)
        self.admin.ensure_topics({self.topic: PARTITIONS})
        with self.connect() as connection:
            connection.execute(TABLES)

    def close(self) -> None:
        self.admin.close()

    def connect(self) -> PsycopgConnection:
        return psycopg.connect(self.dsn, connect_timeout=30)

    def execute(self, query: str, *parameters: Json) -> list[tuple[Json, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(query, parameters)
            return cursor.fetchall() if cursor.description else []

    def judge(self, *, everything: bool = False, timeout_s: float = 30.0, by: Plan = plan, **environ: str) -> Report:
        return reconcile(by, {**self.environ, **environ}, everything=everything, timeout_s=timeout_s)

    # Legacy

    def place(self, order_ref: str, owner: Owner, version: int = 1, *, mailed: bool = True) -> None:
        """A version of an order commits; before that legacy mails, as far as it owns the order."""
        if owner is not Owner.NEW and mailed:
            self.mail(order_ref, version)
        with self.connect() as connection:
            self.place_in(connection, order_ref, owner, version)

    def place_in(self, connection: PsycopgConnection, order_ref: str, owner: Owner, version: int = 1) -> None:
        """In the caller's transaction: the order, its event, and the seams' records."""
        ownership = Ownership(2, dict.fromkeys(SCHEMAS, owner)).to_header()
        connection.execute(
            "INSERT INTO town.orders VALUES (%s, %s, %s)"
            " ON CONFLICT (order_ref) DO UPDATE SET version = excluded.version, undecided = false",
            (order_ref, version, ownership),
        )
        append(connection, Event("order", order_ref, version, "OrderPlaced", b"{}", {"ownership": ownership}))
        if owner is not Owner.NEW:
            for step in SCHEMAS:
                self.seam_record(connection, order_ref, step, owner, version)

    def keep_pending(self, order_ref: str, owner: Owner) -> None:
        """An order commits before the rest of its chain has run: no seam has a record, no event says that it is."""
        ownership = Ownership(2, dict.fromkeys(SCHEMAS, owner)).to_header()
        self.execute("INSERT INTO town.orders VALUES (%s, 1, %s, true)", order_ref, ownership)

    @staticmethod
    def seam_record(connection: PsycopgConnection, order_ref: str, step: str, owner: Owner, version: int) -> None:
        connection.execute(
            "INSERT INTO strangler.seam_record (subject_ref, step, version, owner, epoch, inputs, intents)"
            " VALUES (%s, %s, %s, %s, 2, '{}', %s)",
            (order_ref, step, version, owner.value, intents(order_ref, step, version)),
        )

    def mail(self, order_ref: str, version: int, key: str | None = None) -> None:
        """The vendor accepts a mail; nothing can roll that back."""
        body = json.dumps(mail_body(order_ref, version))
        key = key or effect_key(order_ref, MAILING, 100 * version)
        self.execute("INSERT INTO town.ledger (key, order_ref, body) VALUES (%s, %s, %s)", key, order_ref, body)

    # The new side

    def decide(self, order_ref: str, version: int = 1) -> None:
        """The shadows record what they would have done."""
        for step, schema in SCHEMAS.items():
            self.execute(
                f"INSERT INTO {schema}.intent (subject_ref, step, version, epoch, intents) VALUES (%s, %s, %s, 2, %s)",
                order_ref, step, version, intents(order_ref, step, version),
            )  # fmt: skip

    def act(self, order_ref: str, version: int = 1, *, state: str = "done") -> None:
        """The new side claims, indexes, plans the mail, and sends it if it says `done`."""
        for step, schema in SCHEMAS.items():
            self.execute(
                f"INSERT INTO {schema}.claim (subject_ref, step, number, kind, epoch)"
                " VALUES (%s, %s, %s, 'applied', 2)",
                order_ref, step, 100 * version,
            )  # fmt: skip
        self.execute(
            "INSERT INTO notification.effect (subject_ref, step, number, key, vendor, operation, body, state)"
            " VALUES (%s, %s, %s, %s, 'mail', 'send', %s, %s)",
            order_ref, MAILING, 100 * version, effect_key(order_ref, MAILING, 100 * version),
            json.dumps(mail_body(order_ref, version)), state,
        )  # fmt: skip
        if state == "done":
            self.mail(order_ref, version)
        self.index(order_ref, version)

    def index(self, order_ref: str, version: int) -> None:
        """The new side's document, as of that version."""
        body = json.dumps(document_body(order_ref, version))
        self.execute(
            "INSERT INTO search.document (order_ref, version, body) VALUES (%s, %s, %s)"
            " ON CONFLICT (order_ref) DO UPDATE SET version = EXCLUDED.version, body = EXCLUDED.body",
            order_ref, version, body,
        )  # fmt: skip

    # Between them

    def make_slot(self) -> None:
        self.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", self.slot)

    @contextmanager
    def caught_up(self) -> Iterator[None]:
        """All lanes stand at the ends, and the slot follows the WAL."""
        self.make_slot()
        self.pass_lanes()
        with self.confirming():
            yield

    @contextmanager
    def confirming(self) -> Iterator[None]:
        """A relay's part without the relay: the slot follows the WAL for as long as the block."""
        ended = threading.Event()

        def follow() -> None:
            with psycopg.connect(self.dsn, connect_timeout=30, autocommit=True) as connection:
                while not ended.wait(0.02):
                    connection.execute(ADVANCE, (self.slot,))

        follower = threading.Thread(target=follow)
        follower.start()
        try:
            yield
        finally:
            ended.set()
            follower.join(30)

    def publish(self, *order_refs: str) -> None:
        """Events by hand, where no relay runs."""
        producer = PythonProducer(self.environ["KAFKA_BOOTSTRAP"])
        try:
            sent = [producer.send(self.topic, ref.encode(), b"{}", ()) for ref in order_refs]
            producer.flush(10)
            assert all(each.done() and each.error() is None for each in sent)
        finally:
            producer.close(5)

    def pass_lanes(self, *, behind: tuple[int, int] | None = None, incarnation: str | None = None) -> None:
        """All lanes of both groups stand at the ends of the topic, but one stays at the start."""
        ends = self.admin.end_offsets([self.topic])
        known = self.admin.describe([self.topic])[self.topic].incarnation
        for schema, group in (("notification", "mailing-group"), ("search", "indexing-group")):
            for partition in range(PARTITIONS):
                for lane in range(LANES):
                    end = 0 if (partition, lane) == behind else ends[TopicPartition(self.topic, partition)]
                    self.execute(
                        f"INSERT INTO {schema}.position"
                        " (group_name, topic, partition, lane, lanes, incarnation, next_offset, fence)"
                        " VALUES (%s, %s, %s, %s, %s, %s, %s, 1) ON CONFLICT (group_name, topic, partition, lane)"
                        " DO UPDATE SET next_offset = EXCLUDED.next_offset, incarnation = EXCLUDED.incarnation",
                        self.environ["OUTBOX_GROUP_PREFIX"] + group, self.topic, partition, lane, LANES,
                        known if incarnation is None else incarnation, end,
                    )  # fmt: skip

    @contextmanager
    def transaction(self) -> Iterator[PsycopgConnection]:
        """A customer's transaction that is open for as long as the block."""
        with self.connect() as connection:
            yield connection

    def horizon_is_awaited(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE %s"
        return bool(self.execute(query, "%pg_snapshot_xmin(%")[0][0])


def place_of(order_ref: str) -> tuple[int, int]:
    """Partition and lane of an order."""
    return partition_of(order_ref.encode(), PARTITIONS), lane_of(order_ref.encode(), LANES)


def intents(order_ref: str, step: str, version: int) -> str:
    if step == MAILING:
        return json.dumps([{"kind": "call", "target": "mail.send", "body": mail_body(order_ref, version)}])
    return json.dumps([{"kind": "write", "target": "document", "body": document_body(order_ref, version)}])


def counted(report: Report) -> Mapping[str, Mapping[str, int]]:
    """What was counted, without zeros."""
    return {
        step: {verdict: number for verdict, number in counts.items() if number}
        for step, counts in report.counts.items()
    }


def found(report: Report) -> set[tuple[str, str, int, str]]:
    return {(one.step, one.subject_ref, one.number, one.verdict.value) for one in report.judgements}
