"""Batches of other producers are read whatever compressed them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from outbox.kafka.port import Record, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_reader import PythonReader
from tests.contracts.kafka_members import TIMING, Member, poll_until
from tests.support.kafka.compressing import CODECS, compressing

EACH = 100  # of about 500 bytes: snappy's framing takes more than one block


def rows_of(name: str) -> list[tuple[bytes, bytes]]:
    return [(b"key-%d" % number, f"{name} {number} ".encode() * 50) for number in range(EACH)]


def sent(records: Sequence[Record]) -> list[tuple[bytes | None, bytes | None]]:
    assert all(list(one.headers) == [("id", one.key)] for one in records)
    return [(one.key, one.value) for one in records]


def test_what_any_producer_compressed_is_read(bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}order"
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({topic: 1})
    for name in CODECS:
        with compressing(bootstrap, name) as producer:
            for key, value in rows_of(name):
                producer.send(topic, key=key, value=value, headers=[("id", key)])
    wanted = [row for name in CODECS for row in rows_of(name)]
    with closing(PythonConsumer(bootstrap, group=f"{topic}.group", timing=TIMING)) as consumer:
        member = Member(consumer, topic).subscribe()
        poll_until(lambda: len(member.records) >= len(wanted), member)
        assert sent(member.records) == wanted
    with closing(PythonReader(bootstrap)) as reader:  # from the middle of a batch, too
        assert sent(reader.read(TopicPartition(topic, 0), 50, EACH)) == wanted[50 : 50 + EACH]
