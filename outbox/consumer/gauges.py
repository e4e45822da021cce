"""What a member holds and how busy it is, and its group's lag, for an observer that measures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from outbox.catalogue import Sample
from outbox.consumer.lag.figures import GroupLag
from outbox.consumer.lag.gauges import LagGauges
from outbox.consumer.lag.read import LagReader
from outbox.consumer.partitions.standing import Cause
from outbox.consumer.runtime import ConsumerRuntime, Saturation
from outbox.consumer.session import Connect
from outbox.consumer.settings import Measure, Observe
from outbox.kafka.port import Admin, Reader


def measured(
    observe: Observe,
    runtime: ConsumerRuntime,
    *,
    group: str,
    topics: Sequence[str],
    workers: int,
    connect: Connect,
    make_admin: Callable[[], Admin],
    make_reader: Callable[[], Reader],
) -> None:
    """Have the observer ask for the gauges of this member and its group, if it measures; nothing is opened before."""
    if not isinstance(observe, Measure):
        return
    observe.source(lambda: of_member(runtime, group, workers))
    observe.source(lambda: saturated(runtime.saturation(), group))
    observe.source(LagGauges(look(group, topics, connect, make_admin, make_reader)))


def look(
    group: str,
    topics: Sequence[str],
    connect: Connect,
    make_admin: Callable[[], Admin],
    make_reader: Callable[[], Reader],
) -> Callable[[], GroupLag]:
    """Reads the lag, from any thread, over connections of its own that last as long as all goes well."""
    kept: list[tuple[LagReader, Admin, Reader]] = []
    lock = threading.Lock()

    def looked() -> GroupLag:
        with lock:
            return looked_alone()

    def looked_alone() -> GroupLag:
        if not kept:
            admin, reader = make_admin(), make_reader()
            kept.append((LagReader(group=group, topics=topics, admin=admin, reader=reader), admin, reader))
        try:
            with closing(connect()) as connection:
                return kept[0][0].read(connection)
        except Exception:
            _, admin, reader = kept.pop()
            admin.close()
            reader.close()
            raise

    return looked


def of_member(runtime: ConsumerRuntime, group: str, workers: int) -> Iterator[Sample]:
    """Queues and retries by topic, workers of the member."""
    yield Sample("consumer_workers", workers, {"group": group})
    queues: dict[str, tuple[int, int]] = {}
    for partition, (records, size) in runtime.load().items():
        before = queues.get(partition.topic, (0, 0))
        queues[partition.topic] = before[0] + records, before[1] + size
    retrying = [one for one in runtime.standing() if one.cause is Cause.LANE_STANDS]
    for topic, (records, size) in queues.items():
        labels = {"group": group, "topic": topic}
        lanes = [one.for_s for one in retrying if one.topic == topic]
        yield Sample("consumer_queue_records", records, labels)
        yield Sample("consumer_queue_bytes", size, labels)
        yield Sample("consumer_retrying_lanes", len(lanes), labels)
        yield Sample("consumer_retrying_seconds", max(lanes, default=0.0), labels)


def saturated(found: Saturation, group: str) -> Iterator[Sample]:
    """What is in use of what the member has a bounded number of."""
    yield Sample("consumer_connections", found.connections, {"group": group})
    yield Sample("consumer_connections_in_use", found.connections_in_use, {"group": group})
    yield Sample("consumer_rate_limit", found.rate or 0.0, {"group": group})
    lanes: dict[str, tuple[int, int]] = {}
    for partition, (busy, count) in found.lanes.items():
        before = lanes.get(partition.topic, (0, 0))
        lanes[partition.topic] = before[0] + busy, before[1] + count
    for topic, (busy, count) in lanes.items():
        yield Sample("consumer_lanes", count, {"group": group, "topic": topic})
        yield Sample("consumer_lanes_busy", busy, {"group": group, "topic": topic})
