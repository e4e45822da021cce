"""Records on their way to Kafka, bounded, and the WAL position up to which every one of them is acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from outbox.errors import ConfigurationError, DependencyDown
from outbox.fault_points import FaultPoints
from outbox.kafka.port import Delivery, Producer
from outbox.relay.rows import Outgoing

MAX_RECORD_BYTES = 1_048_576  # Kafka's default, and our producer's limit


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be under way: more only costs memory, and repeats after a kill."""

    records: int
    size_bytes: int


class Publisher:
    """One producer's life. `DependencyDown` from `collect` means that the producer is spent: start anew.

    Marks and records are in the WAL's order. A mark is passed when all records before it are acknowledged.
    """

    def __init__(self, producer: Producer, bounds: Bounds, fault_points: FaultPoints) -> None:
        self._producer, self._bounds, self._fault_points = producer, bounds, fault_points
        self._in_flight: deque[tuple[Delivery, int]] = deque()
        self._marks: deque[tuple[int, int]] = deque()  # records sent before it, LSN
        self._commits: deque[tuple[int, int]] = deque()  # records sent up to it, when it was committed
        self._arrived: list[int] = []
        self._bytes = 0
        self.sent = self.acknowledged = 0
        self.passed_lsn = 0

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def in_flight_bytes(self) -> int:
        return self._bytes

    @property
    def is_full(self) -> bool:
        return len(self._in_flight) >= self._bounds.records or self._bytes >= self._bounds.size_bytes

    def publish(self, record: Outgoing) -> None:
        """Hand it to the producer. Checked first: a record refused by the broker would let later ones overtake it."""
        if record.size_bytes > MAX_RECORD_BYTES:
            event_id = dict(record.headers)["id"].decode()
            raise ConfigurationError(
                f"event {event_id} has {record.size_bytes} bytes, Kafka takes {MAX_RECORD_BYTES}; the relay stands "
                "still before it. append refuses such events: let who wrote it store the large part elsewhere, append "
                "all events of that transaction again, and only then advance the slot beyond it"
            )
        delivery = self._producer.send(record.topic, record.key, record.value, record.headers)
        self._in_flight.append((delivery, record.size_bytes))
        self._bytes += record.size_bytes
        self.sent += 1
        self._fault_points.reach("relay.sent")

    def mark(self, lsn: int) -> None:
        """Everything before `lsn` has been handed to `publish`."""
        if self._marks and self._marks[-1][0] == self.sent:
            self._marks.pop()  # nothing lies between: the later one says it all
        self._marks.append((self.sent, lsn))

    def committed(self, at_us: int) -> None:
        """The transaction of the records before was committed at that time."""
        self._commits.append((self.sent, at_us))

    def arrived(self) -> Sequence[int]:
        """When those transactions were committed that are acknowledged since the last call; microseconds since 1970."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def collect(self) -> None:
        """Take in what was acknowledged meanwhile; never waits."""
        in_flight = self._in_flight
        while in_flight and in_flight[0][0].done():
            delivery, size_bytes = in_flight[0]
            error = delivery.error()
            if error is not None:
                raise DependencyDown(f"Kafka did not take a record: {error!r}; starting again before it") from error
            in_flight.popleft()
            self._bytes -= size_bytes
            self.acknowledged += 1
            self._fault_points.reach("relay.acknowledged")
        while self._commits and self._commits[0][0] <= self.acknowledged:
            self._arrived.append(self._commits.popleft()[1])
        while self._marks and self._marks[0][0] <= self.acknowledged:
            self.passed_lsn = max(self.passed_lsn, self._marks.popleft()[1])

    def finish(self, timeout_s: float) -> None:
        """Wait for all that is under way."""
        self._producer.flush(timeout_s)
        self.collect()
