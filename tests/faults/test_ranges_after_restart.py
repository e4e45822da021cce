"""After a restart of the broker librdkafka tells where logs end again, whatever it remembers of leaders."""

from __future__ import annotations

from contextlib import closing

from outbox.errors import DependencyDown
from outbox.kafka.confluent_consumer import ConfluentConsumer
from outbox.kafka.port import TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from strangler.local.stack import Stack
from strangler.local.waiting import wait_until


def test_where_a_log_ends_is_told_again_after_a_restart(stack: Stack, topic_prefix: str) -> None:
    assert stack.kafka is not None
    topic = f"{topic_prefix}order"
    with closing(PythonAdmin(stack.bootstrap)) as admin:
        admin.ensure_topics({topic: 1})
    place = TopicPartition(topic, 0)
    with closing(ConfluentConsumer(stack.bootstrap, group=f"{topic_prefix}ranges")) as consumer:
        assert consumer.log_range([place]) == {place: (0, 0)}
        stack.kafka.kill()
        stack.kafka.start()

        def told() -> bool:
            try:
                return consumer.log_range([place]) == {place: (0, 0)}
            except DependencyDown:
                return False

        assert wait_until(told, within_s=20.0, every_s=0.1)
