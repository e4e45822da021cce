"""The rig on the Kafka under test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from outbox.kafka.port import GroupTiming
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from tests.integration.consumer_rig import Rig

TIMING = GroupTiming(session_s=6.0, heartbeat_s=0.5)


@contextmanager
def rig_on_kafka(
    dsn: str,
    bootstrap: str,
    prefix: str,
    *,
    partitions: int = 4,
    timing: GroupTiming = TIMING,
) -> Iterator[Rig]:
    """`prefix` keeps its topic and group apart from others' on the broker; `timing` is its consumers'."""
    rig = Rig(
        dsn=dsn,
        topic=f"{prefix}order",
        group=f"{prefix}search",
        admin=PythonAdmin(bootstrap),
        producer=PythonProducer(bootstrap),
        make_consumer=lambda group: PythonConsumer(bootstrap, group=group, timing=timing),
        make_reader=partial(PythonReader, bootstrap),
    )
    with rig.prepared(partitions) as prepared:
        yield prepared
