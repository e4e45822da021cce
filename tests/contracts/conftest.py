"""Fixture of the `Consumer` port's tests: each adapter, the one in memory too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from outbox.kafka.port import Admin
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_producer import PythonProducer
from tests.contracts.kafka_members import TIMING, Kafka
from tests.support.kafka.memory import MemoryAdmin, MemoryBroker, MemoryConsumer, MemoryProducer


@pytest.fixture(params=["memory", "kafka"])
def kafka(request: pytest.FixtureRequest, topic_prefix: str) -> Iterator[Kafka]:
    topic = f"{topic_prefix}order"
    if request.param == "memory":
        broker = MemoryBroker()
        admin: Admin = MemoryAdmin(broker)
        kafka = Kafka(topic, MemoryProducer(broker), lambda group: MemoryConsumer(broker, group=group))
    else:
        bootstrap = request.getfixturevalue("bootstrap")
        admin = PythonAdmin(bootstrap)
        kafka = Kafka(
            topic, PythonProducer(bootstrap), lambda group: PythonConsumer(bootstrap, group=group, timing=TIMING)
        )
    with closing(admin):
        admin.ensure_topics({topic: 2})
    with kafka.open:
        yield kafka
    kafka.producer.close(5.0)
