"""librdkafka (confluent-kafka, the extra `fast`) behind the `Consumer` port: range assignor, positions by hand.

librdkafka fetches and decodes on threads of its own, outside Python. Its rebalance callbacks run inside `consume`, so
on the polling thread; they call those of the port before they answer the group.

It forgets what it fetched of a partition that is paused, and would go on by a position of its own. Here the position
is ours: whatever is started again is sought first, and what comes of a partition that is held or not sought yet is
dropped.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as ClientPartition

from outbox.errors import DependencyDown, OutboxError, PositionLost
from outbox.kafka.confluent_ranges import Ranges
from outbox.kafka.confluent_records import Fetched, Trouble, read_messages
from outbox.kafka.confluent_settings import settings_of
from outbox.kafka.port import GroupTiming, Rebalance, Record, TopicPartition

CONNECT_WITHIN_S = 5.0
ALIVE_WITHIN_S = 1.0
OUTSIDE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE})
# The group goes on by itself: the member joins anew with the next poll, a topic may be made later.
PASSING = frozenset({KafkaError._MAX_POLL_EXCEEDED, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC})


@dataclass(slots=True)
class _Flow:
    """A partition of ours. `position` is the next offset, None for the first record; `astray`: to be sought first.

    `ended`: there was nothing more to read.
    """

    position: int | None = None
    held: bool = False
    astray: bool = True
    ended: bool = False


class ConfluentConsumer:
    """A group member over librdkafka. One thread polls; only `wakeup` may be called from another."""

    def __init__(
        self,
        bootstrap: str,
        *,
        group: str,
        timing: GroupTiming = GroupTiming(),  # noqa: B008 - frozen
        client_id: str = "outbox",
    ) -> None:
        self._bootstrap, self._rest_s = bootstrap, timing.rest_s
        self._settings = settings_of(bootstrap, group, timing, client_id)
        self._flows: dict[TopicPartition, _Flow] = {}
        self._failure: OutboxError | None = None
        self._woken = False  # a plain flag: `wakeup` may be called from a signal handler
        self._stale = False
        self._connect()

    def _connect(self) -> None:
        self._down = False
        self._client = Consumer({**self._settings, "error_cb": self._note_error}, logger=logging.getLogger(__name__))
        self._ranges = Ranges(self._bootstrap)
        self._closed = False
        try:
            self._client.list_topics(timeout=CONNECT_WITHIN_S)
        except KafkaException as error:
            self.close()
            raise DependencyDown(f"no Kafka at {self._bootstrap}: {error}; is it up?") from error

    def subscribe(self, topics: Sequence[str], *, on_assigned: Rebalance, on_revoked: Rebalance) -> None:
        self._topics, self._on_assigned, self._on_revoked = list(topics), on_assigned, on_revoked
        self._client.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked)

    def poll(self, timeout_s: float, max_records: int) -> Sequence[Record]:
        timeout_s, self._woken = 0.0 if self._woken else timeout_s, False
        if self._stale:
            self._renew()
        self._raise_failure()
        if self._down:
            self._look_for_brokers()
        try:
            self._start()
            records = self._fetch(timeout_s, max_records)
        except KafkaException as error:
            raise DependencyDown(f"Kafka does not answer a poll: {error}") from error
        if not records:
            self._raise_failure()
        return records

    def assignment(self) -> Sequence[TopicPartition]:
        return sorted(self._flows)

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        held = [one for one in partitions if one in self._flows]
        for partition in held:
            self._flows[partition].held = True
        self._client.pause(_theirs(held))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        for flow in self._known(partitions):
            if flow.held:
                flow.held, flow.astray = False, True

    def seek(self, partition: TopicPartition, offset: int) -> None:
        for flow in self._known([partition]):
            flow.position, flow.astray = offset, True

    def position(self, partition: TopicPartition) -> int:
        flow = self._flows.get(partition)
        return 0 if flow is None or flow.position is None else flow.position

    def log_range(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, tuple[int, int]]:
        return self._ranges.of(partitions)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        stored = [ClientPartition(*one, offset) for one, offset in offsets.items()]
        with contextlib.suppress(KafkaException):  # only lag tools look at it, and there is a next time
            self._client.commit(offsets=stored, asynchronous=True)

    def rejoin(self) -> None:
        self._stale = True

    def wakeup(self) -> None:
        self._woken = True  # librdkafka is not interrupted: the poll under way ends by its own timeout

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        del self._ranges
        try:
            self._client.close()
        except KafkaException as error:
            raise DependencyDown(f"the group was not left in order: {error}") from error

    def _renew(self) -> None:
        """Whatever the client got stuck on goes with it. Tried again by the next poll when Kafka does not answer."""
        held = self.assignment()
        self._flows.clear()
        self._failure = None
        if held:
            self._on_revoked(held)
        with contextlib.suppress(DependencyDown):
            self.close()
        self._connect()
        self.subscribe(self._topics, on_assigned=self._on_assigned, on_revoked=self._on_revoked)
        self._stale = False

    def _start(self) -> None:
        """Let those flow that are neither held nor where we want them. One that cannot yet is tried again."""
        for partition, flow in self._flows.items():
            if flow.astray and not flow.held:
                offset = OFFSET_BEGINNING if flow.position is None else flow.position
                place = ClientPartition(*partition, offset)
                try:
                    self._client.seek(place)
                except KafkaException as error:
                    if error.args[0].code() not in (KafkaError._STATE, KafkaError._PREV_IN_PROGRESS):
                        raise
                    continue
                self._client.resume([place])
                flow.astray = flow.ended = False

    def _fetch(self, timeout_s: float, max_records: int) -> list[Record]:
        """`consume` waits until it has as many as it was asked for: so only for the first one."""
        messages = self._client.consume(max_records, 0.0)
        if not messages and timeout_s > 0:
            messages = self._client.consume(1, timeout_s)
            if messages and max_records > 1:
                messages += self._client.consume(max_records - 1, 0.0)
        records: list[Record] = []
        for found in read_messages(messages):
            flow = self._flows.get(found.partition)
            if flow is None:
                if isinstance(found, Trouble):
                    self._fail(found)
            elif not (flow.held or flow.astray):
                self._take(flow, found, records)
        if self._rest_s and timeout_s > 0 and not records:
            self._rest(timeout_s)
        return records

    def _rest(self, timeout_s: float) -> None:
        """Fetch nothing for a while once all was read: librdkafka would ask again without end."""
        flowing = {one: flow for one, flow in self._flows.items() if not (flow.held or flow.astray)}
        if all(flow.ended for flow in flowing.values()):
            self._client.pause(_theirs(flowing))
            for flow in flowing.values():
                flow.astray = True
            time.sleep(min(self._rest_s, timeout_s))

    def _take(self, flow: _Flow, found: Fetched | Trouble, records: list[Record]) -> None:
        if isinstance(found, Fetched):
            records += found.records
            flow.position, flow.ended = found.next_offset, False
        elif found.code == KafkaError._PARTITION_EOF:
            # Beyond the last record when markers of transactions follow it.
            flow.position, flow.ended = found.offset, True
        else:
            flow.astray = True  # librdkafka may skip what it could not read
            self._fail(found)

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _fail(self, trouble: Trouble) -> None:
        """Raised by this poll or, when it has records to give, by the next."""
        if trouble.code in OUTSIDE:
            self._failure = PositionLost(f"a partition was read outside its log: {trouble}")
        elif trouble.code not in PASSING:
            self._failure = DependencyDown(f"Kafka does not answer a poll: {trouble}")

    def _assigned(self, client: Consumer, assigned: list[ClientPartition]) -> None:
        """Held still until the port's callback has said where each begins."""
        for place in assigned:
            place.offset = OFFSET_BEGINNING
        client.assign(assigned)
        client.pause(assigned)
        partitions = sorted(_ours(assigned))
        self._flows = {one: _Flow() for one in partitions}
        if partitions:
            self._on_assigned(partitions)

    def _revoked(self, _client: Consumer, revoked: list[ClientPartition]) -> None:
        """Called before the group hears that we let go; also when it has taken them away from us."""
        partitions = sorted(one for one in _ours(revoked) if one in self._flows)
        for partition in partitions:
            del self._flows[partition]
        if partitions and not self._closed:
            self._on_revoked(partitions)

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down = True
        elif error.fatal():
            self._failure = DependencyDown(f"librdkafka cannot go on: {error}; restart the process")

    def _look_for_brokers(self) -> None:
        try:
            self._client.list_topics(timeout=ALIVE_WITHIN_S)
        except KafkaException as error:
            raise DependencyDown(f"no broker of {self._bootstrap} answers: {error}") from error
        self._down = False

    def _known(self, partitions: Iterable[TopicPartition]) -> list[_Flow]:
        """Those still ours: the group may have taken one away."""
        return [self._flows[one] for one in partitions if one in self._flows]


def _ours(partitions: Iterable[ClientPartition]) -> list[TopicPartition]:
    return [TopicPartition(one.topic, one.partition) for one in partitions]


def _theirs(partitions: Iterable[TopicPartition]) -> list[ClientPartition]:
    return [ClientPartition(*one) for one in partitions]
