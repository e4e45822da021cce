"""Records of an aborted transaction, or of one that is still open, reach nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from kafka import KafkaProducer

from outbox.audit import account
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_network import Network
from outbox.kafka.python_reader import PythonReader
from tests.contracts.kafka_members import TIMING, WITHIN_S, Member, poll_until
from tests.integration.consumer_rig import connect_to

KEY = b"one-key"


class Transactions:
    """A transactional producer beside the relay's: somebody else's, or a later mode of our own."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic, self.home = topic, TopicPartition(topic, partition_of(KEY, 2))
        self.producer = KafkaProducer(
            bootstrap_servers=bootstrap, transactional_id=f"{topic}.transactions", kafka_client=Network
        )
        self.producer.init_transactions()

    def send(self, *values: bytes) -> None:
        for value in values:
            self.producer.send(self.topic, key=KEY, value=value, headers=[("id", value)])
        self.producer.flush(WITHIN_S)

    def aborted(self, *values: bytes) -> None:
        self.producer.begin_transaction()
        self.send(*values)
        self.producer.abort_transaction()

    def committed(self, *values: bytes) -> None:
        self.producer.begin_transaction()
        self.send(*values)
        self.producer.commit_transaction()


@pytest.fixture
def transactions(bootstrap: str, topic_prefix: str) -> Iterator[Transactions]:
    topic = f"{topic_prefix}order"
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({topic: 2})
    made = Transactions(bootstrap, topic)
    yield made
    made.producer.close(5)


def test_a_member_gets_no_record_of_an_aborted_transaction(bootstrap: str, transactions: Transactions) -> None:
    for number in range(10):
        transactions.aborted(b"aborted-%d" % number)
    transactions.committed(b"1", b"2")
    transactions.aborted(b"aborted-last")
    transactions.committed(b"3")
    with ExitStack() as open_ones:
        consumer = PythonConsumer(bootstrap, group=f"{transactions.topic}.group", timing=TIMING)
        member = Member(open_ones.enter_context(closing(consumer)), transactions.topic).subscribe()
        poll_until(lambda: b"3" in member.values(), member)
        assert member.values() == [b"1", b"2", b"3"]


def test_a_member_waits_before_an_open_transaction(bootstrap: str, transactions: Transactions) -> None:
    transactions.committed(b"1")
    transactions.producer.begin_transaction()
    transactions.send(b"open")
    with ExitStack() as open_ones:
        consumer = PythonConsumer(bootstrap, group=f"{transactions.topic}.group", timing=TIMING)
        member = Member(open_ones.enter_context(closing(consumer)), transactions.topic).subscribe()
        poll_until(lambda: b"1" in member.values(), member)
        for _ in range(10):
            member.poll()
        assert member.values() == [b"1"]
        # It stands at the end of what may be read: not stuck, whoever watches.
        (_, end) = consumer.log_range([transactions.home])[transactions.home]
        poll_until(lambda: consumer.position(transactions.home) == end, member)
        transactions.producer.commit_transaction()
        poll_until(lambda: b"open" in member.values(), member)


def test_a_position_moves_past_an_aborted_tail(bootstrap: str, transactions: Transactions) -> None:
    """Else the end of the topic would never be reached, and nothing below the frontier judged."""
    transactions.committed(b"1")
    transactions.aborted(b"2", b"3")
    with ExitStack() as open_ones:
        consumer = PythonConsumer(bootstrap, group=f"{transactions.topic}.group", timing=TIMING)
        member = Member(open_ones.enter_context(closing(consumer)), transactions.topic).subscribe()
        poll_until(lambda: b"1" in member.values(), member)
        end = consumer.log_range([transactions.home])[transactions.home][1]
        poll_until(lambda: consumer.position(transactions.home) == end, member)
        assert member.values() == [b"1"]


def test_a_reader_gives_no_record_of_an_aborted_transaction(bootstrap: str, transactions: Transactions) -> None:
    transactions.aborted(b"aborted")
    transactions.committed(b"1")
    transactions.aborted(b"aborted-too")
    with closing(PythonReader(bootstrap)) as reader:
        start, _ = reader.log_range(transactions.home)
        assert [record.value for record in reader.read(transactions.home, start, 100)] == [b"1"]


def test_the_account_of_a_relay_ends_behind_an_aborted_tail(
    bootstrap: str, database: str, transactions: Transactions
) -> None:
    transactions.committed(b"1")
    transactions.aborted(b"2")
    consumer = PythonConsumer(bootstrap, group=f"{transactions.topic}.account", timing=TIMING)
    with closing(consumer), connect_to(database) as connection:
        found = account(connection, consumer, [transactions.topic])
    assert (found.published, found.missing) == (1, ())
