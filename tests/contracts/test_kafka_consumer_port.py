"""What every `Consumer` must do, the one in memory too. Expectations are written by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import pytest

from outbox.errors import PositionLost
from outbox.kafka.client import Client, consumer_class
from outbox.kafka.memory import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer
from outbox.kafka.partition import partition_of
from outbox.kafka.port import Admin, Consumer, GroupTiming, Producer, Record, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer

WITHIN_S = 30.0
TIMING = GroupTiming(session_s=6.0, heartbeat_s=0.5)


@dataclass
class Kafka:
    """One topic of two partitions on the broker under test, and members of one group."""

    topic: str
    producer: Producer
    make_consumer: Callable[[str], Consumer]
    open: ExitStack = field(default_factory=ExitStack)

    def send(self, *values: bytes, key: bytes = b"a") -> None:
        for value in values:
            self.producer.send(self.topic, key, value, [("id", value)])
        self.producer.flush(WITHIN_S)

    def member(self) -> Member:
        consumer = self.open.enter_context(closing(self.make_consumer(f"{self.topic}.group")))
        return Member(consumer, self.topic)


@dataclass
class Member:
    """A consumer that notes what it is told and given."""

    consumer: Consumer
    topic: str
    seek_to: int | None = None
    held_still: bool = False
    told: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    def subscribe(self) -> Member:
        self.consumer.subscribe([self.topic], on_assigned=self._assigned, on_revoked=self._revoked)
        return self

    def poll(self) -> Sequence[Record]:
        records = self.consumer.poll(0.05, 100)
        self.records += records
        return records

    def numbers(self) -> set[int]:
        return {partition.partition for partition in self.consumer.assignment()}

    def values(self) -> list[bytes | None]:
        return [record.value for record in self.records]

    def _assigned(self, partitions: Sequence[TopicPartition]) -> None:
        self.told.append(("assigned", tuple(sorted(one.partition for one in partitions))))
        if self.seek_to is not None:
            for partition in partitions:
                self.consumer.seek(partition, self.seek_to)
        if self.held_still:
            self.consumer.pause(partitions)

    def _revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.told.append(("revoked", tuple(sorted(one.partition for one in partitions))))


def poll_until(done: Callable[[], bool], *members: Member) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not done():
        assert time.monotonic() < deadline, [(one.told, one.values(), one.numbers()) for one in members]
        for member in members:
            member.poll()


@pytest.fixture(params=["memory", *Client])
def kafka(request: pytest.FixtureRequest, topic_prefix: str) -> Iterator[Kafka]:
    topic = f"{topic_prefix}order"
    if request.param == "memory":
        broker = MemoryBroker()
        admin: Admin = MemoryAdmin(broker)
        kafka = Kafka(topic, MemoryProducer(broker), lambda group: MemoryConsumer(broker, group=group))
    else:
        bootstrap, make = request.getfixturevalue("bootstrap"), consumer_class(request.param)
        admin = PythonAdmin(bootstrap)
        kafka = Kafka(topic, PythonProducer(bootstrap), lambda group: make(bootstrap, group=group, timing=TIMING))
    with closing(admin):
        admin.ensure_topics({topic: 2})
    with kafka.open:
        yield kafka
    kafka.producer.close(5.0)


def test_a_partition_that_is_not_sought_begins_at_its_first_record(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3")
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 3, member)
    assert member.values() == [b"1", b"2", b"3"]
    first = member.records[0]
    assert (first.topic, first.offset, first.key, list(first.headers)) == (kafka.topic, 0, b"a", [("id", b"1")])
    assert first.timestamp_ms > 0


def test_a_record_comes_as_it_was_sent(kafka: Kafka) -> None:
    headers = [("id", b"1"), ("id", b"2"), ("empty", b"")]
    kafka.producer.send(kafka.topic, b"key", None, headers)
    kafka.producer.send(kafka.topic, None, b"", [])
    kafka.producer.flush(WITHIN_S)
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 2, member)
    found = {(one.key, one.value, tuple(one.headers)) for one in member.records}
    assert found == {(b"key", None, tuple(headers)), (None, b"", ())}


def test_all_partitions_are_told_before_records_come(kafka: Kafka) -> None:
    kafka.send(b"1")
    member = kafka.member()
    member.held_still = True
    member.subscribe()
    poll_until(lambda: member.numbers() == {0, 1} and member.told == [("assigned", (0, 1))], member)
    assert member.records == []


def test_a_seek_while_being_assigned_decides_where_reading_begins(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3")
    member = kafka.member()
    member.seek_to = 2
    member.subscribe()
    with pytest.raises(PositionLost):  # the empty partition holds no offset 2
        poll_until(lambda: False, member)
    assert member.values() in ([], [b"3"])


def test_a_paused_partition_gives_nothing_and_loses_nothing(kafka: Kafka) -> None:
    member = kafka.member().subscribe()
    poll_until(lambda: member.numbers() == {0, 1}, member)
    kafka.send(b"1")
    poll_until(lambda: member.values() == [b"1"], member)
    home = TopicPartition(kafka.topic, member.records[0].partition)
    member.consumer.pause([home])
    kafka.send(b"2", b"3")
    assert any(_lands_elsewhere(kafka, key, home, member) for key in (b"b", b"c", b"d", b"e", b"f"))
    assert [record for record in member.records if record.partition == home.partition][1:] == []
    member.consumer.resume([home])
    poll_until(lambda: [one.value for one in member.records if one.key == b"a"] == [b"1", b"2", b"3"], member)


def _lands_elsewhere(kafka: Kafka, key: bytes, home: TopicPartition, member: Member) -> bool:
    """True when a record of the key came through another partition while `home` is paused."""
    if partition_of(key, 2) == home.partition:
        return False
    kafka.send(b"elsewhere", key=key)
    poll_until(lambda: any(record.key == key for record in member.records), member)
    return True


def test_pausing_after_every_fetch_loses_nothing(kafka: Kafka) -> None:
    sent = [(b"key-%d" % key, b"%d" % number) for number in range(20) for key in range(10)]
    for key, value in sent:
        kafka.producer.send(kafka.topic, key, value, [])
    kafka.producer.flush(WITHIN_S)
    member = kafka.member().subscribe()
    paused: set[TopicPartition] = set()
    deadline = time.monotonic() + WITHIN_S
    while len(member.records) < len(sent):
        assert time.monotonic() < deadline, len(member.records)
        member.consumer.resume(list(paused))
        records = member.consumer.poll(0.05, 7)
        member.records += records
        paused = {TopicPartition(record.topic, record.partition) for record in records}
        member.consumer.pause(list(paused))
        member.records += member.consumer.poll(0.0, 7)
    for wanted in {key for key, _ in sent}:
        seen = [record.value for record in member.records if record.key == wanted]
        assert seen == [value for key, value in sent if key == wanted]


def test_seeking_back_reads_again(kafka: Kafka) -> None:
    member = kafka.member().subscribe()
    kafka.send(b"1", b"2")
    poll_until(lambda: len(member.records) == 2, member)
    member.consumer.seek(TopicPartition(kafka.topic, member.records[0].partition), 1)
    poll_until(lambda: len(member.records) == 3, member)
    assert member.values() == [b"1", b"2", b"2"]


def test_the_position_follows_what_was_returned(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3")
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 3, member)
    home = TopicPartition(kafka.topic, member.records[0].partition)
    assert member.consumer.position(home) == 3
    assert member.consumer.log_range([home]) == {home: (0, 3)}
    assert member.consumer.log_range([]) == {}


def test_one_poll_gives_no_more_than_asked_for(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3", b"4", b"5")
    member = kafka.member()
    member.held_still = True
    member.subscribe()
    poll_until(lambda: member.numbers() == {0, 1} and bool(member.told), member)
    member.consumer.resume(member.consumer.assignment())
    batches: list[list[bytes | None]] = []
    deadline = time.monotonic() + WITHIN_S
    while sum(map(len, batches)) < 5 and time.monotonic() < deadline:
        batches.append([record.value for record in member.consumer.poll(0.05, 2)])
    assert max(map(len, batches)) <= 2
    assert [value for batch in batches for value in batch] == [b"1", b"2", b"3", b"4", b"5"]


def test_an_offset_outside_the_log_is_an_error_not_a_new_start(kafka: Kafka) -> None:
    kafka.send(b"1")
    member = kafka.member()
    member.seek_to = 99
    member.subscribe()
    with pytest.raises(PositionLost):
        poll_until(lambda: bool(member.records), member)


def test_two_members_share_and_one_takes_over_when_the_other_leaves(kafka: Kafka) -> None:
    first, second = kafka.member().subscribe(), kafka.member()
    poll_until(lambda: first.numbers() == {0, 1}, first)
    second.subscribe()
    poll_until(lambda: len(first.numbers()) == len(second.numbers()) == 1, first, second)
    assert first.numbers() | second.numbers() == {0, 1}
    assert "revoked" in dict(first.told)
    with ThreadPoolExecutor(1) as pool:  # a broker may answer who leaves when the others have come back
        leaving = pool.submit(first.consumer.close)
        poll_until(lambda: second.numbers() == {0, 1}, second)
        leaving.result()


def test_a_record_sent_during_rebalances_is_not_lost(kafka: Kafka) -> None:
    first, second = kafka.member().subscribe(), kafka.member()
    poll_until(lambda: first.numbers() == {0, 1}, first)
    second.subscribe()
    for number in range(20):
        kafka.send(b"%d" % number, key=b"key-%d" % number)
        first.poll()
        second.poll()
    sent = {b"%d" % number for number in range(20)}
    poll_until(lambda: sent == {*first.values(), *second.values()}, first, second)


def test_commits_do_not_move_where_a_new_member_begins(kafka: Kafka) -> None:
    kafka.send(b"1", b"2")
    first = kafka.member().subscribe()
    poll_until(lambda: len(first.records) == 2, first)
    first.consumer.commit({TopicPartition(kafka.topic, first.records[0].partition): 2})
    first.poll()
    first.consumer.close()
    second = kafka.member().subscribe()
    poll_until(lambda: len(second.records) == 2, second)
    assert second.values() == [b"1", b"2"]


def test_a_join_survives_polls_that_are_shorter_than_it(kafka: Kafka) -> None:
    for _ in range(3):
        member = kafka.member().subscribe()
        deadline = time.monotonic() + WITHIN_S
        while member.numbers() != {0, 1}:
            assert time.monotonic() < deadline, member.told
            member.consumer.poll(0.002, 10)
        member.consumer.close()


def test_wakeup_ends_the_next_poll_at_once(kafka: Kafka) -> None:
    member = kafka.member().subscribe()
    poll_until(lambda: member.numbers() == {0, 1}, member)
    member.consumer.wakeup()
    before = time.monotonic()
    member.consumer.poll(60.0, 10)
    assert time.monotonic() - before < 60.0


def test_a_member_that_rejoins_is_told_of_the_loss_first_and_begins_anew(kafka: Kafka) -> None:
    kafka.send(b"1", b"2")
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 2, member)
    told = len(member.told)
    member.consumer.rejoin()
    kafka.send(b"3")
    poll_until(lambda: member.values()[2:] == [b"1", b"2", b"3"], member)
    assert member.told[told] == ("revoked", (0, 1))
    assert [what for what, _ in member.told[told:]] == ["revoked", "assigned"]
