"""What Kafka clients have in common beyond the port: they say that no broker answers, and one group may have both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from outbox.errors import DependencyDown
from outbox.kafka.client import Client, consumer_class
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from tests.contracts.kafka_members import TIMING, WITHIN_S, Member, poll_until


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_a_start_without_a_broker_is_refused() -> None:
    with pytest.raises(DependencyDown, match=r"no Kafka at 127\.0\.0\.1:1: .*; is it up\?"):
        consumer_class(Client.FAST)("127.0.0.1:1", group="nobody")


def test_members_of_one_group_may_have_different_clients(bootstrap: str, topic_prefix: str, opened: ExitStack) -> None:
    topic = f"{topic_prefix}order"
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({topic: 2})

    def member(client: Client) -> Member:
        consumer = consumer_class(client)(bootstrap, group=f"{topic}.group", timing=TIMING)
        return Member(opened.enter_context(closing(consumer)), topic).subscribe()

    slow = member(Client.PYTHON)
    poll_until(lambda: slow.numbers() == {0, 1}, slow)
    fast = member(Client.FAST)
    poll_until(lambda: len(slow.numbers()) == len(fast.numbers()) == 1, slow, fast)
    assert slow.numbers() | fast.numbers() == {0, 1}
    producer = PythonProducer(bootstrap)
    opened.callback(producer.close, WITHIN_S)
    for number in range(5):
        producer.send(topic, b"%d" % number, b"%d" % number, [])
    producer.flush(WITHIN_S)
    poll_until(lambda: len({*slow.values(), *fast.values()}) == 5, slow, fast)
    slow.consumer.close()
    poll_until(lambda: len(fast.numbers()) == 2, fast)
    assert {*slow.values(), *fast.values()} == {b"%d" % number for number in range(5)}
