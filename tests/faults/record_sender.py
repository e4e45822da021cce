"""Sends the records of a seed: with any codec, in transactions, and to partitions that were added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from kafka import KafkaAdminClient, KafkaProducer
from kafka.record.default_records import DefaultRecordBatchBuilder

from outbox.kafka.partition import partition_of
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_network import Network
from tests.faults.record_case import Chunk
from tests.faults.record_sent import Record
from tests.support.kafka.compressing import compressing
from tests.support.waiting import wait_until

WITHIN_S = 30.0
PARTITIONS, MORE = 2, 4
LARGEST_REQUEST = 1_000_000


_append = DefaultRecordBatchBuilder.append


class Null(bytes):
    """A header's null value, which the client's producer refuses and Kafka allows."""


def _with_nulls(builder: Any, *given: Any) -> Any:
    """Headers come last."""
    headers = [(name, None if type(value) is Null else value) for name, value in given[-1]]
    return _append(builder, *given[:-1], headers)


@dataclass(frozen=True, slots=True)
class Placed:
    """A record in the log; `aborted`: nobody may see it."""

    partition: int
    offset: int
    record: Record
    aborted: bool


@dataclass
class Sender:
    """Of one topic. What it has sent is in `placed`, in the order of sending."""

    bootstrap: str
    topic: str
    partitions: int = PARTITIONS
    placed: list[Placed] = field(default_factory=list)
    _open: ExitStack = field(default_factory=ExitStack)
    _forever: ExitStack = field(default_factory=ExitStack)
    _producers: dict[str, KafkaProducer] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, bootstrap: str, topic: str) -> Iterator[Sender]:
        with closing(PythonAdmin(bootstrap)) as admin:
            admin.ensure_topics({topic: PARTITIONS})
        made = cls(bootstrap, topic)
        try:
            yield made
        finally:
            made._close()
            made._forever.close()

    def __post_init__(self) -> None:
        self._forever.enter_context(patch.object(DefaultRecordBatchBuilder, "append", _with_nulls))

    def send(self, chunk: Chunk, records: Sequence[Record]) -> None:
        """The broker has them when this returns, and their transaction has ended."""
        producer = self._producer("transactional" if chunk.ending else chunk.codec)
        if chunk.ending:
            producer.begin_transaction()
        sent = [(one, self._send(producer, one)) for one in records]
        producer.flush(WITHIN_S)
        if chunk.ending == "commit":
            producer.commit_transaction()
        elif chunk.ending:
            producer.abort_transaction()
        for record, future in sent:
            place = future.get(WITHIN_S)
            self.placed.append(Placed(place.partition, place.offset, record, chunk.ending == "abort"))

    def add_partitions(self) -> None:
        """Producers know of them at once."""
        self._close()
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap, kafka_client=Network)) as admin:
            admin.create_partitions({self.topic: MORE})
        with closing(PythonAdmin(self.bootstrap)) as admin_of_ours:
            wait_until(lambda: len(admin_of_ours.end_offsets([self.topic])) == MORE)
        self.partitions = MORE

    def _send(self, producer: KafkaProducer, record: Record) -> Any:
        home = partition_of(record.key or b"", self.partitions)
        headers = [(name, Null() if value is None else value) for name, value in record.headers]
        return producer.send(self.topic, key=record.key, value=record.value, headers=headers, partition=home)

    def _producer(self, kind: str) -> KafkaProducer:
        if kind not in self._producers:
            self._producers[kind] = self._open.enter_context(self._made(kind))
        return self._producers[kind]

    @contextmanager
    def _made(self, kind: str) -> Iterator[KafkaProducer]:
        if kind not in {"none", "transactional"}:
            with compressing(self.bootstrap, kind) as producer:
                yield producer
            return
        transactional = kind == "transactional"
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            kafka_client=Network,
            transactional_id=f"{self.topic}.{self.partitions}" if transactional else None,
        )
        try:
            if transactional:
                producer.init_transactions()
            yield producer
        finally:
            producer.close(WITHIN_S)

    def _close(self) -> None:
        self._producers.clear()
        self._open.close()
