"""Members of a group on a broker under test, which note what they are told and given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from outbox.kafka.port import GroupMember, GroupTiming, Producer, Record, TopicPartition
from tests.support.waiting import wait_until

WITHIN_S = 30.0
TIMING = GroupTiming(session_s=6.0, heartbeat_s=0.5)


@dataclass
class Kafka:
    """One topic of two partitions on the broker under test, and members of one group."""

    topic: str
    producer: Producer
    make_consumer: Callable[[str], GroupMember]
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

    consumer: GroupMember
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
    """Until it is done, polling these members in between."""
    wait_until(
        done,
        lambda: [(one.told, one.values(), one.numbers()) for one in members],
        pause=lambda _: [member.poll() for member in members],
    )
