"""Repeats are those whose id stands before them in the log: compared with a plain search, in any order of questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.consumer.originals import KEEP_S, LOOK_BACK, Originals
from outbox.consumer.partitions.run import Assigned, GivenUp, Run
from outbox.consumer.triage import Doubt, Doubtful
from outbox.errors import DependencyDown, SourceBroken
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.codec import from_record, to_headers
from outbox.kafka.port import Record, TopicPartition
from tests.support.clock import Clock
from tests.support.kafka.memory import MemoryBroker
from tests.support.kafka.memory_reader import MemoryReader

PLACE = TopicPartition("order", 0)
names = st.integers(0, 8)
logs = st.lists(st.one_of(names, st.none()), max_size=60)  # None: bytes that are no event


def headers(name: int) -> list[tuple[str, bytes]]:
    event = Event("order", "o-1", 1, "OrderPlaced", b"{}", id=UUID(int=name))
    return to_headers(event, SourcePosition("1/db", 1, 0))


def broker_with(log: Sequence[int | None]) -> MemoryBroker:
    broker = MemoryBroker()
    broker.create("order", 1)
    for name in log:
        broker.append("order", b"o-1", b"{}", [] if name is None else headers(name))
    return broker


def originals(broker: MemoryBroker, look_back: int = LOOK_BACK) -> Originals:
    return Originals(lambda: MemoryReader(broker), from_record, look_back=look_back)


@given(logs, st.lists(st.sets(st.integers(0, 59), min_size=1), min_size=1, max_size=5))
def test_they_are_found_whatever_is_asked_first(log: list[int | None], questions: list[set[int]]) -> None:
    found = originals(broker_with(log))
    for offsets in questions:
        wanted = {
            offset: UUID(int=name) for offset in offsets if offset < len(log) and (name := log[offset]) is not None
        }
        repeats = {offset for offset, name in wanted.items() if name.int in log[:offset]}
        assert found.repeats(PLACE, wanted) == repeats


def test_no_further_back_than_declared() -> None:
    log = [1, *range(100, 3_000), 1]
    wanted = {len(log) - 1: UUID(int=1)}
    assert originals(broker_with(log)).repeats(PLACE, wanted) == {len(log) - 1}
    assert originals(broker_with(log), look_back=500).repeats(PLACE, wanted) == frozenset()


def test_what_was_read_is_not_read_again_for_a_while() -> None:
    broker, clock = broker_with([*range(500), 3, 4]), Clock()
    reads: list[int] = []

    class Counting(MemoryReader):
        def read(
            self, partition: TopicPartition, offset: int, limit: int, *, timeout_s: float = 10.0
        ) -> Sequence[Record]:
            reads.append(offset)
            return super().read(partition, offset, limit, timeout_s=timeout_s)

    found = Originals(lambda: Counting(broker), from_record, clock=clock)
    assert found.repeats(PLACE, {500: UUID(int=3)}) == {500}
    before = len(reads)
    assert found.repeats(PLACE, {501: UUID(int=4)}) == {501}
    assert len(reads) == before + 1  # the record between the two
    clock.now += KEEP_S + 1
    found.repeats(PLACE, {501: UUID(int=4)})
    assert len(reads) > before + 1


def test_a_log_that_cannot_be_read_settles_nothing() -> None:
    class Away(MemoryReader):
        def log_range(self, partition: TopicPartition) -> tuple[int, int]:
            raise DependencyDown(f"no Kafka for {partition}")

    found = Originals(lambda: Away(broker_with([1, 1])), from_record)
    with pytest.raises(DependencyDown):
        found.repeats(PLACE, {1: UUID(int=1)})


def run_of(broker: MemoryBroker, first: int) -> Run:
    records = tuple(record for record in broker.log(PLACE).records if record.offset >= first)
    assigned = Assigned(PLACE, "1", 1, ())
    return Run(assigned, 0, records, broker.log(PLACE).end, None, frozenset(), 0, 0.0, {}, GivenUp())


def doubt(broker: MemoryBroker, offset: int) -> Doubt:
    event: ReceivedEvent = from_record(broker.log(PLACE).records[offset])
    return Doubt(event, SourcePosition("1/db", 9, 0), foreign=False)


def test_a_run_goes_up_to_the_first_that_is_neither_new_nor_a_repeat() -> None:
    broker = broker_with([1, 2, 1, 3, 4])
    settled = originals(broker).settle(run_of(broker, 2), Doubtful([doubt(broker, 2), doubt(broker, 3)]))
    assert ([record.offset for record in settled.records], settled.next_offset) == ([2], 3)
    assert settled.repeats == {2}


def test_a_run_that_begins_with_one_is_broken() -> None:
    broker = broker_with([1, 2, 1, 3, 4])
    with pytest.raises(SourceBroken, match=r"order-0@3 stands at 1/db:1:0, not beyond 1/db:9:0"):
        originals(broker).settle(run_of(broker, 3), Doubtful([doubt(broker, 3)]))


def test_events_whose_position_says_nothing_are_new_unless_the_log_holds_them() -> None:
    broker = broker_with([1, 2, 1, 3])
    unsure = [replace(doubt(broker, offset), unsure=True) for offset in (2, 3)]
    settled = originals(broker).settle(run_of(broker, 2), Doubtful(unsure))
    assert (settled.repeats, settled.fresh, len(settled.records)) == ({2}, {3}, 2)


def test_a_long_log_is_read_once_for_many_events_whose_position_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outbox.consumer.originals.ASKED_LOOK_BACK", 1_000)
    broker = broker_with(range(6_000))
    read: list[int] = []

    class Counting(MemoryReader):
        def read(
            self, partition: TopicPartition, offset: int, limit: int, *, timeout_s: float = 10.0
        ) -> Sequence[Record]:
            found = super().read(partition, offset, limit, timeout_s=timeout_s)
            read.append(len(found))
            return found

    found = Originals(lambda: Counting(broker), from_record)
    for first in range(5_000, 5_500, 50):
        unsure = [replace(doubt(broker, offset), unsure=True) for offset in range(first, first + 50)]
        assert len(found.settle(run_of(broker, first), Doubtful(unsure)).fresh) == 50
    assert sum(read) < 2 * (1_000 + 500) + 10 * 1_000  # steps back are of a thousand, reads of as many
