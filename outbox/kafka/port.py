"""The port to Kafka: what the relay and the consumer runtime need of a client, and nothing more.

Every adapter passes the suites in `tests/contracts`. Partition of a key: murmur2, as Kafka's Java client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

# Every client reads so: what a transaction took back has not happened, and what it may still take back must wait.
ISOLATION = "read_committed"


class TopicPartition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """A record as fetched. `key`, `value` and `headers` are raw bytes, `timestamp_ms` is the broker's or producer's."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    timestamp_ms: int


class Delivery(Protocol):
    """A record on its way."""

    def done(self) -> bool:
        """True once acknowledged by all in-sync replicas, or failed for good."""
        ...

    def error(self) -> BaseException | None:
        """Why it failed; None while under way and when acknowledged."""
        ...


class Producer(Protocol):
    """Idempotent, acks=all, per-key order kept. After an error it is spent: close it and make a new one."""

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> Delivery: ...
    def flush(self, timeout_s: float) -> None: ...
    def close(self, timeout_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class GroupTiming:
    """How the group notices a dead member, in seconds.

    `rest_s`: pause after an empty poll. For a broker that answers an empty fetch at once instead of holding it: the
    client would ask again without end (the embedded Kafka: half a core for each idle consumer).
    """

    session_s: float = 45.0
    heartbeat_s: float = 3.0
    rest_s: float = 0.0


Rebalance = Callable[[Sequence[TopicPartition]], None]


class GroupMember(Protocol):
    """One member of a group. Not thread-safe but for `wakeup`: one thread polls. Positions are the caller's.

    The callbacks run inside `poll`, before it returns, and may use the consumer. A new partition begins where it is
    sought, else at its first record. `poll` raises `PositionLost` when it is asked to read outside a log, `Unreadable`
    at bytes that no record can be made of, each time that it gets there, and `DependencyDown`. A paused partition
    keeps what was fetched of it, and loses nothing.
    """

    def subscribe(self, topics: Sequence[str], *, on_assigned: Rebalance, on_revoked: Rebalance) -> None: ...
    def poll(self, timeout_s: float, max_records: int) -> Sequence[Record]: ...
    def assignment(self) -> Sequence[TopicPartition]: ...
    def missing(self) -> Sequence[str]:
        """Subscribed topics that the broker does not have, as it last said by itself; none before it has."""
        ...

    def pause(self, partitions: Sequence[TopicPartition]) -> None: ...
    def resume(self, partitions: Sequence[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def position(self, partition: TopicPartition) -> int:
        """The next offset to be read: all records below it were returned. Beyond the last one: markers are passed."""
        ...

    def log_range(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Per partition the first offset kept, and the one up to which may be read: the next to be written, or the
        first of a transaction that is still open.
        """
        ...

    def offsets_at(self, partitions: Sequence[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        """Per partition the first offset whose record is not older, the log's end where all are."""
        ...

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store next offsets at the broker, for lag tools only: the truth is in the database."""
        ...

    def rejoin(self) -> None:
        """Have the next poll leave the group and join it as a new member, over new connections.

        For a member that is stuck. What it held is revoked first, what it gets then is assigned as usual.
        """
        ...

    def wakeup(self) -> None: ...
    def close(self) -> None: ...


class Reader(Protocol):
    """Records by their place: no group, no commits. Raises `DependencyDown`, `PositionLost` outside the log, and
    `Unreadable` at bytes that no record can be made of.
    """

    def read(self, partition: TopicPartition, offset: int, limit: int, *, timeout_s: float = 10.0) -> Sequence[Record]:
        """Up to `limit` records from `offset` on, fewer where the log (as it is now) ends."""
        ...

    def log_range(self, partition: TopicPartition) -> tuple[int, int]:
        """First offset kept, and the one up to which may be read."""
        ...

    def offset_at(self, partition: TopicPartition, timestamp_ms: int) -> int | None:
        """The first offset that is not older; None when all are."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TopicState:
    """`incarnation` changes when a topic is deleted and made again; "" where the broker has no topic ids."""

    partitions: int
    incarnation: str


class Admin(Protocol):
    """Topic work. Errors are `outbox.errors.DependencyDown` or `ConfigurationError`."""

    def ensure_topics(self, topics: Mapping[str, int]) -> None:
        """Create what is missing, with so many partitions; a topic with another count is refused."""
        ...

    def describe(self, topics: Iterable[str]) -> Mapping[str, TopicState]: ...
    def end_offsets(self, topics: Iterable[str]) -> Mapping[TopicPartition, int]: ...
    def retention_s(self, topics: Iterable[str]) -> Mapping[str, float | None]:
        """How long each topic keeps a record, in seconds; None where it keeps them for ever."""
        ...

    def close(self) -> None: ...
