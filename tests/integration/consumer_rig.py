"""A context with a table of effects, runtimes over it, and a topic to feed them. Effects are counted, not guarded."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg

from outbox.connection import PsycopgConnection
from outbox.consumer import (
    ConsumerRuntime,
    Disposition,
    Expiry,
    Handler,
    InParallel,
    RuntimeSettings,
    Shedding,
    VersionProgress,
)
from outbox.event import Event, ReceivedEvent, SourcePosition, uuid7
from outbox.fault_points import FaultPoints
from outbox.kafka.codec import to_headers
from outbox.kafka.port import Admin, GroupMember, Producer, Reader
from outbox.policy import Retry

WITHIN_S = 30.0
SCHEMA = "search"
UNDER_TEST = "consumer-under-test"  # the runtime's sessions, not the test's own
EFFECTS = f"CREATE TABLE {SCHEMA}.effects_seen (key text NOT NULL, number bigint NOT NULL, seq bigserial)"
RETRY = Retry(base_s=0.01, cap_s=0.1, budget_floor_per_s=1000.0)
QUICK = RuntimeSettings(lanes=4, workers=3, run_records=5, retry=RETRY, defer_s=0.05, reassign_s=0.1)


def connect_to(dsn: str, name: str = "test") -> PsycopgConnection:
    return psycopg.connect(dsn, options=f"-csearch_path={SCHEMA}", application_name=name)


def write_effects(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
    """One row per event: a second row of the same event is a double effect."""
    for event in events:
        connection.execute(
            "INSERT INTO effects_seen (key, number) VALUES (%s, %s)",
            [event.event.aggregate_id, event.event.aggregate_version],
        )
    return [Disposition.APPLIED] * len(events)


@dataclass
class Running:
    """A runtime on its thread."""

    runtime: ConsumerRuntime
    consumer: GroupMember
    counts: Counter[tuple[str, str]]
    thread: threading.Thread = field(init=False)
    error: BaseException | None = None

    def start(self) -> Running:
        self.thread = threading.Thread(target=self._run, name="runtime-under-test")
        self.thread.start()
        return self

    def stop(self) -> None:
        self.runtime.stop()
        self.ended()

    def ended(self) -> None:
        self.thread.join(WITHIN_S)
        assert not self.thread.is_alive(), "the runtime did not end"

    def count(self, metric: str, label: str = "") -> int:
        return sum(value for (name, seen), value in self.counts.items() if name == metric and label in (seen, ""))

    def _run(self) -> None:
        try:
            self.runtime.run()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error


@dataclass
class Rig:
    """`make_consumer` joins a group at the broker under test."""

    dsn: str
    topic: str
    group: str
    admin: Admin
    producer: Producer
    make_consumer: Callable[[str], GroupMember]
    make_reader: Callable[[], Reader]
    sent: list[tuple[str, int]] = field(default_factory=list)
    open: ExitStack = field(default_factory=ExitStack)
    lsn: int = 0
    beside: list[str] = field(default_factory=list)  # topics that are subscribed too
    ids: dict[tuple[str, int, int], UUID] = field(default_factory=dict)

    @contextmanager
    def prepared(self, partitions: int) -> Iterator[Rig]:
        self.admin.ensure_topics({self.topic: partitions})
        self.sql(EFFECTS)
        with self.open:
            yield self
        self.producer.close(5.0)
        self.admin.close()

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Committed at once. By one connection, for a test looks twenty times and a new one costs more than a look."""
        found = self._looking.execute(statement, values)
        return found.fetchall() if found.description else []

    @cached_property
    def _looking(self) -> PsycopgConnection:
        connection = self.open.enter_context(closing(connect_to(self.dsn)))
        connection.autocommit = True
        connection.prepare_threshold = None  # a test may change its tables
        return connection

    def send(
        self, key: str, number: int, *, lsn: int | None = None, deadline: int | None = None, payload: bytes = b"{}"
    ) -> None:
        """An event as the relay sends it; its source position grows unless given. The same again is the same event."""
        self.lsn += 1
        context = {} if deadline is None else {"deadline": deadline}
        position = SourcePosition("test", self.lsn if lsn is None else lsn, 0)
        made = self.ids.setdefault((key, number, position.lsn), uuid7())
        event = Event("order", key, number, "OrderPlaced", payload, context, id=made)
        self.producer.send(self.topic, key.encode(), payload, to_headers(event, position))
        self.sent.append((key, number))

    def send_many(self, keys: int, each: int) -> None:
        for number in range(1, each + 1):
            for key in range(keys):
                self.send(f"order-{key}", number)
        self.producer.flush(WITHIN_S)

    def runtime(
        self,
        handler: Handler | InParallel = write_effects,
        *,
        settings: RuntimeSettings = QUICK,
        fault_points: FaultPoints | None = None,
        group: str | None = None,
        expiry: Expiry | None = None,
        progress: VersionProgress | None = None,
        shedding: Shedding = Shedding(),  # noqa: B008 - frozen
        sources: frozenset[str] | None = None,
    ) -> Running:
        counts: Counter[tuple[str, str]] = Counter()
        counting = threading.Lock()

        def observe(name: str, value: int, **labels: str) -> None:
            with counting:
                counts[name, next(iter(labels.values()), "")] += value

        consumer = self.make_consumer(group or self.group)
        runtime = ConsumerRuntime(
            consumer=consumer,
            admin=self.admin,
            connect=lambda: connect_to(self.dsn, UNDER_TEST),
            group=self.group,
            topics=[self.topic, *self.beside],
            handler=handler,
            settings=settings,
            fault_points=fault_points or FaultPoints(),
            observe=observe,
            reader=self.make_reader,
            expiry=expiry,
            progress=progress,
            shedding=shedding,
            sources=sources,
        )
        running = Running(runtime, consumer, counts)
        self.open.callback(lambda: running.stop() if running.thread.is_alive() else None)
        return running.start()

    def effects(self) -> list[tuple[str, int]]:
        """In the order in which they were written within a key."""
        return [(key, number) for key, number in self.sql("SELECT key, number FROM effects_seen ORDER BY seq")]

    def all_applied(self) -> bool:
        return len(self.effects()) >= len(self.sent)

    def assert_once_and_in_order(self) -> None:
        effects = self.effects()
        assert sorted(effects) == sorted(self.sent)
        for key in {key for key, _ in self.sent}:
            assert [number for seen, number in effects if seen == key] == [n for seen, n in self.sent if seen == key]

    def positions(self) -> list[tuple[int, int, int]]:
        """Partition, lane, next offset."""
        return [
            (partition, lane, offset)
            for partition, lane, offset in self.sql(
                "SELECT partition, lane, next_offset FROM position WHERE group_name = %s ORDER BY 1, 2", self.group
            )
        ]

    def caught_up(self) -> bool:
        """Every lane of every partition stands at its end."""
        ends = self.admin.end_offsets([self.topic])
        positions = self.positions()
        return bool(positions) and all(offset == ends[self.topic, number] for number, _, offset in positions)  # type: ignore[index] # a NamedTuple is its tuple

    def parked(self) -> list[tuple[str, int]]:
        return [
            (key, offset)
            for key, offset in self.sql(
                """SELECT convert_from(key, 'UTF8'), "offset" FROM quarantine WHERE resolved_at IS NULL ORDER BY 2"""
            )
        ]
