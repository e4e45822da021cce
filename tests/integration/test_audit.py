"""The relay's account names what is lost and counts what is repeated: it must be able to say no."""

from contextlib import closing

from outbox import Event, append
from outbox.audit import account
from outbox.kafka.codec import to_headers
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_producer import PythonProducer
from strangler.local.stack import Stack
from tests.support.relay_rig import RelayRig, order_event


def publish(rig: RelayRig, events: list[Event]) -> None:
    producer = PythonProducer(rig.stack.bootstrap)
    try:
        for event in events:
            producer.send(rig.topic, event.aggregate_id.encode(), event.payload, to_headers(event, None))
        producer.flush(10)
    finally:
        producer.close(10)


def test_a_lost_event_is_named_and_a_repeated_one_counted(stack: Stack, database: str, topic_prefix: str) -> None:
    rig = RelayRig.prepare(stack, database, topic_prefix)
    kept, twice, lost = (order_event(f"o-{number}", 1) for number in range(3))
    with rig.connect() as connection:
        for event in (kept, twice, lost):
            append(connection, event)
        connection.commit()
        publish(rig, [kept, twice, twice])

        with closing(PythonConsumer(stack.bootstrap, group=f"{topic_prefix}account")) as consumer:
            found = account(connection, consumer, [rig.topic])

    assert (found.appended, found.published, found.repeated) == (3, 2, 1)
    assert found.missing == (str(lost.id),)
