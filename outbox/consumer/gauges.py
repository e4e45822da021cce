"""What a member holds and how busy it is, and its group's lag, for an observer that measures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TypeVar

import psycopg

from outbox.catalogue import Sample
from outbox.connection import PsycopgConnection
from outbox.consumer.lag.figures import GroupLag
from outbox.consumer.lag.gauges import LagGauges
from outbox.consumer.lag.read import LagReader
from outbox.consumer.runtime import Busy, ConsumerRuntime, Saturation
from outbox.consumer.session import Connect
from outbox.consumer.settings import Measure, Observe
from outbox.kafka.port import Admin, Reader

Answer = TypeVar("Answer")


@contextmanager
def measured(
    observe: Observe,
    runtime: ConsumerRuntime,
    *,
    group: str,
    topics: Sequence[str],
    connect: Connect,
    make_admin: Callable[[], Admin],
    make_reader: Callable[[], Reader],
) -> Iterator[None]:
    """Inside, an observer that measures asks for the gauges of this member and its group. Opens nothing before."""
    if not isinstance(observe, Measure):
        yield
        return
    with ExitStack() as ends:
        look = ends.enter_context(closing(LagLook(group, topics, connect, make_admin, make_reader)))
        ends.callback(observe.source(lambda: of_member(runtime.busy(), group)))
        ends.callback(observe.source(lambda: saturated(runtime.saturation(), group)))
        ends.callback(observe.source(LagGauges(look)))
        yield


class LagLook:
    """Reads a group's lag, from any thread, one at a time. Close it.

    Its Kafka clients, and what it has read of the log, are kept while Kafka answers; the database is connected to anew
    for each look.
    """

    def __init__(
        self,
        group: str,
        topics: Sequence[str],
        connect: Connect,
        make_admin: Callable[[], Admin],
        make_reader: Callable[[], Reader],
    ) -> None:
        self._group, self._topics, self._connect = group, topics, connect
        self._make_admin, self._make_reader = make_admin, make_reader
        self._lock, self._closed = threading.Lock(), False
        self._reader: LagReader | None = None
        self._clients = ExitStack()

    def __call__(self) -> GroupLag:
        """Raises `DependencyDown` and psycopg's errors."""
        return self.ask(LagReader.read)

    def ask(self, question: Callable[[LagReader, PsycopgConnection], Answer]) -> Answer:
        """The same of whatever is asked of the reader and the group's database."""
        try:
            with self._lock, closing(self._connect()) as connection:
                reader = self._opened()
                try:
                    return question(reader, connection)
                except psycopg.Error:  # it says nothing of Kafka's clients
                    raise
                except Exception:
                    self._end()
                    raise
        finally:
            if self._closed:
                self._end_if_idle()

    def close(self) -> None:
        """A look under way ends first, and closes what it used."""
        self._closed = True
        self._end_if_idle()

    def _opened(self) -> LagReader:
        if self._reader is None:
            with ExitStack() as made:
                admin = made.enter_context(closing(self._make_admin()))
                reader = made.enter_context(closing(self._make_reader()))
                self._reader = LagReader(group=self._group, topics=self._topics, admin=admin, reader=reader)
                self._clients = made.pop_all()
        return self._reader

    def _end_if_idle(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def _end(self) -> None:
        self._reader = None
        self._clients.close()


def of_member(busy: Busy, group: str) -> Iterator[Sample]:
    """Queues and retries by topic, workers of the member."""
    yield Sample("consumer_workers", busy.workers, {"group": group})
    yield Sample("consumer_runs_at_work", busy.runs, {"group": group})
    queues: dict[str, tuple[int, int]] = {}
    for partition, (records, size) in busy.load.items():
        before = queues.get(partition.topic, (0, 0))
        queues[partition.topic] = before[0] + records, before[1] + size
    for topic, (records, size) in queues.items():
        labels = {"group": group, "topic": topic}
        lanes = [for_s for partition, *_, for_s in busy.retrying if partition.topic == topic]
        yield Sample("consumer_queue_records", records, labels)
        yield Sample("consumer_queue_bytes", size, labels)
        yield Sample("consumer_retrying_lanes", len(lanes), labels)
        yield Sample("consumer_retrying_seconds", max(lanes, default=0.0), labels)


def saturated(found: Saturation, group: str) -> Iterator[Sample]:
    """What is in use of what the member has a bounded number of."""
    yield Sample("consumer_connections", found.connections, {"group": group})
    yield Sample("consumer_connections_in_use", found.connections_in_use, {"group": group})
    yield Sample("consumer_rate_limit", found.rate or 0.0, {"group": group})
    lanes: dict[str, tuple[int, int]] = {}
    for partition, (busy, count) in found.lanes.items():
        before = lanes.get(partition.topic, (0, 0))
        lanes[partition.topic] = before[0] + busy, before[1] + count
    for topic, (busy, count) in lanes.items():
        yield Sample("consumer_lanes", count, {"group": group, "topic": topic})
        yield Sample("consumer_lanes_busy", busy, {"group": group, "topic": topic})
