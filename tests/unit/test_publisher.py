"""The publisher's account: bounded, in order, and a position is passed only when all before it is acknowledged."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from outbox.errors import ConfigurationError, DependencyDown
from outbox.fault_points import FaultPoints
from outbox.relay.publisher import Bounds, Publisher
from outbox.relay.rows import Outgoing


class HandDelivery:
    """Acknowledged or failed by hand."""

    def __init__(self) -> None:
        self.state: BaseException | bool = False

    def done(self) -> bool:
        return self.state is not False

    def error(self) -> BaseException | None:
        return self.state if isinstance(self.state, BaseException) else None


class HandProducer:
    """A producer whose deliveries wait for us."""

    def __init__(self) -> None:
        self.deliveries: list[HandDelivery] = []

    def send(
        self,
        topic: str,  # noqa: ARG002 - the port's
        key: bytes | None,  # noqa: ARG002
        value: bytes | None,  # noqa: ARG002
        headers: Sequence[tuple[str, bytes]],  # noqa: ARG002
    ) -> HandDelivery:
        self.deliveries.append(HandDelivery())
        return self.deliveries[-1]

    def flush(self, timeout_s: float) -> None:  # noqa: ARG002
        for delivery in self.deliveries:
            delivery.state = delivery.state or True

    def close(self, timeout_s: float) -> None: ...


def publisher(producer: HandProducer, records: int = 10, size_bytes: int = 10_000) -> Publisher:
    return Publisher(producer, Bounds(records, size_bytes), FaultPoints())


def outgoing(size_bytes: int = 100) -> Outgoing:
    return Outgoing("t", b"k", b"v", [("id", b"e-1")], size_bytes)


def test_a_position_is_passed_when_all_before_it_is_acknowledged() -> None:
    producer = HandProducer()
    ours = publisher(producer)
    ours.publish(outgoing())
    ours.publish(outgoing())
    ours.mark(100)
    ours.publish(outgoing())
    ours.mark(200)

    producer.deliveries[0].state = True
    producer.deliveries[2].state = True
    ours.collect()
    assert ours.passed_lsn == 0

    producer.deliveries[1].state = True
    ours.collect()
    assert (ours.passed_lsn, ours.in_flight) == (200, 0)


def test_a_mark_with_nothing_under_way_is_passed_at_once() -> None:
    ours = publisher(HandProducer())
    ours.mark(100)
    ours.mark(150)
    ours.collect()

    assert ours.passed_lsn == 150


def test_it_is_full_by_records_or_by_bytes() -> None:
    by_records, by_bytes = publisher(HandProducer(), records=2), publisher(HandProducer(), size_bytes=250)
    for _ in range(2):
        by_records.publish(outgoing())
        by_bytes.publish(outgoing())
    assert (by_records.is_full, by_bytes.is_full) == (True, False)

    by_bytes.publish(outgoing())
    assert (by_bytes.in_flight, by_bytes.is_full) == (3, True)

    by_bytes.finish(1)
    assert (by_bytes.in_flight, by_bytes.is_full) == (0, False)


def test_a_failed_record_ends_it_and_passes_nothing() -> None:
    producer = HandProducer()
    ours = publisher(producer)
    ours.publish(outgoing())
    ours.mark(100)
    producer.deliveries[0].state = OSError("broker gone")

    with pytest.raises(DependencyDown, match="broker gone"):
        ours.collect()
    assert ours.passed_lsn == 0


def test_a_record_that_kafka_would_refuse_is_never_sent() -> None:
    producer = HandProducer()

    with pytest.raises(ConfigurationError, match="event e-1 has 2000000 bytes"):
        publisher(producer).publish(outgoing(2_000_000))
    assert producer.deliveries == []
