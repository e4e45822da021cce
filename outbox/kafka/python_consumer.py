"""kafka-python behind the `Consumer` port: classic group protocol, range assignor, positions by hand.

Range, because it works on every broker: the embedded one loses partitions in cooperative moves.

kafka-python calls its rebalance listener on the IO thread that also beats for the group, where a network call would
hang. So the listener only holds the new partitions still and notes what happened; the callbacks of the port run on
the polling thread, in order, right after the poll that saw them.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, auto

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as ClientPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, LogTruncationError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from outbox.errors import DependencyDown, PositionLost
from outbox.kafka.port import ISOLATION, GroupTiming, Rebalance, Record, TopicPartition
from outbox.kafka.python_network import connecting
from outbox.kafka.python_records import read_quickly
from outbox.kafka.python_workarounds import Joining, position_of, unpark
from outbox.kafka_settings import KafkaSettings

# A broker that does not answer must not keep a process that is to end.
JOINED_WITHIN_S, CLOSE_WITHIN_S = 1.0, 1.5
RANGE_WITHIN_S = 5.0
# A resumed partition is fetched when the fetch under way has ended, so this is also the longest it waits.
FETCH_WAIT_MS = 100
METADATA_AGE_MS = 10_000  # topics and partitions that are made later are noticed within it


class _Change(Enum):
    ASSIGNED = auto()
    REVOKED = auto()


class PythonConsumer:
    """A group member over kafka-python. One thread polls; only `wakeup` may be called from another."""

    def __init__(
        self,
        kafka: KafkaSettings | str,
        *,
        group: str,
        timing: GroupTiming = GroupTiming(),  # noqa: B008 - frozen
        client_id: str = "outbox",
    ) -> None:
        self._kafka, self._group, self._timing, self._client_id = KafkaSettings.of(kafka), group, timing, client_id
        self._rest_s = timing.rest_s
        self._changes: deque[tuple[_Change, list[TopicPartition]]] = deque()
        self._told: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._sought: set[TopicPartition] = set()
        self._woken = False  # a plain flag: `wakeup` may be called from a signal handler
        self._stale = False
        self._connect()

    def _connect(self) -> None:
        timing = self._timing
        with connecting(self._kafka) as given:
            self._client = KafkaConsumer(
                **given,
                group_id=self._group,
                client_id=self._client_id,
                enable_auto_commit=False,
                auto_offset_reset="none",  # a position outside the log is an error, never a silent re-read
                isolation_level=ISOLATION,
                allow_auto_create_topics=False,
                partition_assignment_strategy=[RangePartitionAssignor],
                session_timeout_ms=round(timing.session_s * 1000),
                heartbeat_interval_ms=round(timing.heartbeat_s * 1000),
                fetch_max_wait_ms=FETCH_WAIT_MS,
                reconnect_backoff_max_ms=1_000,
                metadata_max_age_ms=METADATA_AGE_MS,
                metrics_enabled=False,
            )
        read_quickly(self._client)
        self._joining = Joining(self._client)
        self._closed = False

    def subscribe(self, topics: Sequence[str], *, on_assigned: Rebalance, on_revoked: Rebalance) -> None:
        self._topics, self._on_assigned, self._on_revoked = list(topics), on_assigned, on_revoked
        self._listen()

    def _listen(self) -> None:
        self._subscribed_at_ms = time.monotonic() * 1000  # the client's own clock
        self._client.subscribe(topics=self._topics, listener=_Listener(self._client, self._changes))

    def poll(self, timeout_s: float, max_records: int) -> Sequence[Record]:
        timeout_s, self._woken = 0.0 if self._woken else timeout_s, False
        if self._stale:
            self._renew()
        try:
            records = self._fetch(timeout_s, max_records) if self._joining.settled(timeout_s) else []
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            raise PositionLost(f"a partition was read outside its log: {error!r}") from error
        except KafkaError as error:
            raise DependencyDown(f"Kafka does not answer a poll: {error!r}") from error
        self._deliver_changes()
        return records

    def assignment(self) -> Sequence[TopicPartition]:
        return sorted(_ours(self._client.assignment()))

    def missing(self) -> Sequence[str]:
        cluster = self._client._cluster
        if cluster._last_successful_refresh_ms <= self._subscribed_at_ms:
            return ()
        return [topic for topic in self._topics if cluster.partitions_for_topic(topic) is None]

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused.update(partitions)
        self._client.pause(*self._held(partitions))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        self._paused.difference_update(partitions)
        self._start(partitions)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._sought.add(partition)
        for held in self._held([partition]):
            self._client.seek(held, offset)

    def position(self, partition: TopicPartition) -> int:
        return position_of(self._client, ClientPartition(*partition))

    def log_range(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        if not partitions:
            return {}
        asked = [ClientPartition(*partition) for partition in partitions]
        try:
            starts = self._client.beginning_offsets(asked, timeout_ms=RANGE_WITHIN_S * 1000)
            ends = self._client.end_offsets(asked, timeout_ms=RANGE_WITHIN_S * 1000)
        except KafkaError as error:
            raise DependencyDown(f"Kafka does not tell the range of {len(asked)} partitions: {error!r}") from error
        return {TopicPartition(*one): (starts[one], ends[one]) for one in asked}

    def offsets_at(self, partitions: Sequence[TopicPartition], timestamp_ms: int) -> Mapping[TopicPartition, int]:
        asked = {ClientPartition(*one): timestamp_ms for one in partitions}
        try:
            found = self._client.offsets_for_times(asked, timeout_ms=RANGE_WITHIN_S * 1000)
        except KafkaError as error:
            raise DependencyDown(f"Kafka does not tell offsets by time: {error!r}") from error
        ends = self.log_range(partitions)
        hits = {one: found.get(ClientPartition(*one)) for one in partitions}
        return {one: ends[one][1] if hit is None else int(hit.offset) for one, hit in hits.items()}

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        held = {ClientPartition(*one): OffsetAndMetadata(offset, "", -1) for one, offset in offsets.items()}
        with contextlib.suppress(KafkaError):  # only lag tools look at it, and there is a next time
            self._client.commit_async(held, callback=_ignore_outcome)

    def rejoin(self) -> None:
        self._stale = True

    def wakeup(self) -> None:
        self._woken = True  # kafka-python cannot be interrupted: the poll under way ends by its own timeout

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        try:
            self._joining.ended(JOINED_WITHIN_S)
            self._client.close(autocommit=False, timeout_ms=round(CLOSE_WITHIN_S * 1000))
        except KafkaError as error:
            raise DependencyDown(f"the group was not left in order: {error!r}") from error
        finally:
            self._client._client.close()  # it outlives a leaving that fails

    def _renew(self) -> None:
        """Whatever the client got stuck on goes with it. Tried again by the next poll when Kafka does not answer."""
        held, self._told = sorted(self._told), set()
        if held:
            self._on_revoked(held)
        with contextlib.suppress(DependencyDown):
            self.close()
        for state in (self._changes, self._paused, self._sought):
            state.clear()
        self._connect()
        self._listen()
        self._stale = False

    def _fetch(self, timeout_s: float, max_records: int) -> list[Record]:
        unpark(self._client)
        hold_s = 0.0 if self._rest_s else timeout_s
        fetched = self._client.poll(timeout_ms=round(hold_s * 1000), max_records=max_records)
        if not fetched and self._rest_s:
            time.sleep(min(self._rest_s, timeout_s))
        return [record for batch in fetched.values() for record in batch]

    def _held(self, partitions: Iterable[TopicPartition]) -> list[ClientPartition]:
        """Those still ours: the IO thread may have taken one away that the caller has not heard of yet."""
        assigned = self._client.assignment()
        return [one for one in (ClientPartition(*partition) for partition in partitions) if one in assigned]

    def _deliver_changes(self) -> None:
        while self._changes:
            change, partitions = self._changes.popleft()
            self._paused.difference_update(partitions)
            self._sought.difference_update(partitions)
            if not partitions:
                continue
            if change is _Change.REVOKED:
                self._told.difference_update(partitions)
                self._on_revoked(partitions)
            else:
                self._told.update(partitions)
                self._on_assigned(partitions)
                self._start([one for one in partitions if one not in self._paused])

    def _start(self, partitions: Sequence[TopicPartition]) -> None:
        """Let them flow; those that nobody sought, from their first record."""
        unsought = [one for one in partitions if one not in self._sought]
        for partition, (start, _) in self.log_range(unsought).items():
            self.seek(partition, start)
        self._client.resume(*self._held(partitions))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    def __init__(self, client: KafkaConsumer, changes: deque[tuple[_Change, list[TopicPartition]]]) -> None:
        self._client, self._changes = client, changes

    def on_partitions_assigned(self, assigned: Iterable[ClientPartition]) -> None:
        assigned = list(assigned)
        for partition in assigned:
            self._client.pause(partition)
            self._client.seek(partition, 0)  # any position: else the client looks for one by itself, and fails
        self._changes.append((_Change.ASSIGNED, sorted(_ours(assigned))))

    def on_partitions_revoked(self, revoked: Iterable[ClientPartition]) -> None:
        self._changes.append((_Change.REVOKED, sorted(_ours(revoked))))


def _ours(partitions: Iterable[ClientPartition]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in partitions]


def _ignore_outcome(offsets: object, outcome: object) -> None:
    """Commits at the broker only serve lag tools."""
