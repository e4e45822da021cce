"""Surprises in a chosen order: a broker in memory, fault_points that hold or fail, a consumer that counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from outbox.fault_points import FaultPoints
from outbox.kafka.port import Record
from tests.integration.consumer_rig import WITHIN_S, Rig
from tests.support.kafka.memory import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from tests.support.kafka.memory_reader import MemoryReader

TOPIC = "test.order"


class CountingConsumer(MemoryConsumer):
    """Counts its polls."""

    polls = 0

    def poll(self, timeout_s: float, max_records: int) -> Sequence[Record]:
        self.polls += 1
        return super().poll(timeout_s, max_records)


@contextmanager
def rig_in_memory(dsn: str, broker: MemoryBroker, partitions: int = 2) -> Iterator[Rig]:
    """Real PostgreSQL, the broker in memory."""
    rig = Rig(
        dsn=dsn,
        topic=TOPIC,
        group="search",
        admin=MemoryAdmin(broker),
        producer=MemoryProducer(broker),
        make_consumer=lambda group: CountingConsumer(broker, group=group),
        make_reader=lambda: MemoryReader(broker),
    )
    with rig.prepared(partitions) as prepared:
        yield prepared


class Halt(FaultPoints):
    """Holds the first thread that reaches `name` until released, as SIGSTOP holds a process."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.reached, self.released = name, threading.Event(), threading.Event()

    def reach(self, name: str) -> None:
        if name == self.name and not self.reached.is_set():
            self.reached.set()
            assert self.released.wait(WITHIN_S)


class Raise(FaultPoints):
    """Raises at every third arrival at `name`: the connection was lost right there."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.arrivals = name, 0

    def reach(self, name: str) -> None:
        if name == self.name:
            self.arrivals += 1
            if self.arrivals % 3 == 1:
                raise ConnectionError("lost")
