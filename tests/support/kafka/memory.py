"""A broker in memory behind the ports, for fast tests: groups that rebalance, and the faults of a real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from outbox.errors import ConfigurationError, DependencyDown, PositionLost
from outbox.kafka.partition import partition_of
from outbox.kafka.port import Rebalance, Record, TopicPartition, TopicState
from tests.support.kafka.memory_group import Group, Member
from tests.support.kafka.memory_log import Log, Topic


class MemoryBroker:
    """Topics and groups, shared by producers, consumers and admins. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.changed = threading.Condition()
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self._clock, self._incarnations = clock, count(1)

    def create(self, topic: str, partitions: int) -> None:
        with self.changed:
            incarnation = f"incarnation-{next(self._incarnations)}"
            self.topics[topic] = Topic(incarnation, [Log() for _ in range(partitions)])
            self._balance()

    def extend(self, topic: str, partitions: int) -> None:
        """Add empty ones, up to so many: keys move, as they do at a real broker."""
        with self.changed:
            logs = self.topics[topic].logs
            logs.extend(Log() for _ in range(partitions - len(logs)))
            self._balance()

    def delete(self, topic: str) -> None:
        with self.changed:
            del self.topics[topic]
            self._balance()

    def log(self, partition: TopicPartition) -> Log:
        """Its `mark`, `delete_before` and `truncate` are a real broker's surprises."""
        return self.topics[partition.topic].logs[partition.partition]

    def append(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Record:
        with self.changed:
            if topic not in self.topics:
                raise DependencyDown(f"topic {topic} takes no record: there is no such topic")
            logs = self.topics[topic].logs
            number = 0 if key is None else partition_of(key, len(logs))
            now_ms = round(self._clock() * 1000)
            record = Record(topic, number, logs[number].end, key, value, list(headers), now_ms)
            logs[number].append(record)
            self.changed.notify_all()
            return record

    def evict(self, consumer: MemoryConsumer) -> None:
        """The consumer's session is over; others get its partitions, it finds out at its next poll."""
        with self.changed:
            self.groups[consumer.group].evict(consumer.member, self.counts())
            self.changed.notify_all()

    def counts(self) -> Mapping[str, int]:
        return {name: len(topic.logs) for name, topic in self.topics.items()}

    def _balance(self) -> None:
        for group in self.groups.values():
            group.balance(self.counts())
        self.changed.notify_all()


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """Acknowledged at once."""

    def done(self) -> bool:
        return True

    def error(self) -> BaseException | None:
        return None


class MemoryProducer:
    """Writes at once, in order."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker, self._closed = broker, False

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> MemoryDelivery:
        if self._closed:
            raise DependencyDown("the producer is closed; make a new one")
        self._broker.append(topic, key, value, headers)
        return MemoryDelivery()

    def flush(self, timeout_s: float) -> None:
        """Nothing is ever under way."""

    def close(self, timeout_s: float) -> None:  # noqa: ARG002 - the port's signature
        self._closed = True


class MemoryAdmin:
    """Topic work."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        for name, partitions in topics.items():
            have = self._broker.counts().get(name)
            if have is None:
                self._broker.create(name, partitions)
            elif have != partitions:
                raise ConfigurationError(f"topic {name} has {have} partitions, {partitions} are wanted; use {have}")

    def describe(self, topics: Iterable[str]) -> Mapping[str, TopicState]:
        found = {name: self._broker.topics[name] for name in topics if name in self._broker.topics}
        return {name: TopicState(len(topic.logs), topic.incarnation) for name, topic in found.items()}

    def end_offsets(self, topics: Iterable[str]) -> Mapping[TopicPartition, int]:
        return {
            TopicPartition(name, number): log.end
            for name in topics
            if name in self._broker.topics
            for number, log in enumerate(self._broker.topics[name].logs)
        }

    def retention_s(self, topics: Iterable[str]) -> Mapping[str, float | None]:
        return {name: None for name in topics if name in self._broker.topics}

    def close(self) -> None:
        """Holds nothing."""


class Thaw(StrEnum):
    """What makes a client fetch a partition again that it had silently stopped fetching."""

    SEEK = "seek"
    REJOIN = "rejoin"


class MemoryConsumer:
    """A group member. It joins at `subscribe`; callbacks run inside `poll`."""

    def __init__(self, broker: MemoryBroker, *, group: str) -> None:
        self.group, self.member = group, Member(())
        self._broker = broker
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._frozen: dict[TopicPartition, Thaw] = {}
        self._woken = self._stale = False

    def freeze(self, partition: TopicPartition, until: Thaw) -> None:
        """Silently fetch nothing more of it, as clients do that lost track of a partition; from any thread."""
        self._frozen[partition] = until

    def subscribe(self, topics: Sequence[str], *, on_assigned: Rebalance, on_revoked: Rebalance) -> None:
        self._on_assigned, self._on_revoked = on_assigned, on_revoked
        self.member = Member(tuple(topics))
        self._join()

    def poll(self, timeout_s: float, max_records: int) -> Sequence[Record]:
        if self._stale:
            self._leave()
        self._rebalance()
        with self._broker.changed:
            self._broker.changed.wait_for(self._anything, timeout_s)
            self._woken = False
            records = [] if self._moves() else self._fetch(max_records)
        self._rebalance()
        return records

    def assignment(self) -> Sequence[TopicPartition]:
        return sorted(self._positions)

    def missing(self) -> Sequence[str]:
        return [topic for topic in self.member.topics if topic not in self._broker.topics]

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused.update(self._positions.keys() & set(partitions))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused.difference_update(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._positions:
            self._positions[partition] = offset
        if self._frozen.get(partition) is Thaw.SEEK:
            del self._frozen[partition]

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def log_range(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        with self._broker.changed:
            try:
                logs = {partition: self._broker.log(partition) for partition in partitions}
            except (KeyError, IndexError) as error:
                raise DependencyDown(f"there is no partition {error}") from error
            return {partition: (log.start, log.end) for partition, log in logs.items()}

    def offsets_at(self, partitions: Sequence[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        with self._broker.changed:
            logs = {partition: self._broker.log(partition) for partition in partitions}
            young = {at: [r.offset for r in log.records if r.timestamp_ms >= timestamp_ms] for at, log in logs.items()}
            return {partition: (young[partition] or [log.end])[0] for partition, log in logs.items()}

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        with self._broker.changed:
            self._broker.groups[self.group].committed.update(offsets)

    def rejoin(self) -> None:
        self._stale = True

    def wakeup(self) -> None:
        self._woken = True  # without the lock: a signal handler may have interrupted its holder

    def close(self) -> None:
        with self._broker.changed:
            group = self._broker.groups.get(self.group)
            if group is not None:
                group.leave(self.member, self._broker.counts())
            self._positions.clear()
            self._broker.changed.notify_all()

    def _leave(self) -> None:
        """As a member that was evicted, but at once: what it held is revoked before it joins again."""
        self._stale = False
        self._frozen.clear()
        self._broker.evict(self)

    def _join(self) -> None:
        with self._broker.changed:
            group = self._broker.groups.setdefault(self.group, Group())
            group.join(self.member, self._broker.counts())
            self._broker.changed.notify_all()

    def _moves(self) -> bool:
        group = self._broker.groups.get(self.group)
        if group is None:
            return False
        return self.member.evicted or bool(group.revoked(self.member)) or bool(group.added(self.member))

    def _rebalance(self) -> None:
        with self._broker.changed:
            if not self._moves():
                return
            group = self._broker.groups[self.group]
            revoked = group.revoked(self.member)
        for partition in revoked:
            self._positions.pop(partition, None)
            self._paused.discard(partition)
        if revoked:
            self._on_revoked(revoked)
        if self.member.evicted:
            self._join()
            return
        with self._broker.changed:
            self.member.owned -= set(revoked)
            added = group.added(self.member)
            self.member.owned |= set(added)
            self._positions.update({partition: self._broker.log(partition).start for partition in added})
            self._broker.changed.notify_all()
        if added:
            self._on_assigned(added)

    def _anything(self) -> bool:
        return self._woken or self._moves() or any(self._readable())

    def _readable(self) -> Iterable[TopicPartition]:
        for partition, position in self._positions.items():
            held_still = partition in self._paused or partition in self._frozen
            if partition.topic in self._broker.topics and not held_still:
                log = self._broker.log(partition)
                if position != log.end:
                    yield partition

    def _fetch(self, max_records: int) -> list[Record]:
        records: list[Record] = []
        for partition in sorted(self._readable(), key=lambda one: self._positions[one]):
            log, position = self._broker.log(partition), self._positions[partition]
            if not log.start <= position <= log.end:
                raise PositionLost(f"{partition} is read at {position}, its log holds {log.start} to {log.end}")
            found, self._positions[partition] = log.read(position, max_records - len(records))
            records += found
        return records
