"""`outbox.Relay` as a program starts it: what it refuses names an argument that it has, and that argument helps."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from outbox import Relay, append
from outbox.errors import ConfigurationError
from outbox.kafka.python_producer import PythonProducer
from outbox.relay import slot
from outbox.testing import as_record
from strangler.local.stack import Stack
from tests.support.relay_rig import RelayRig, order_event
from tests.support.waiting import wait_until

ELSEWHERE = "1/elsewhere"


@pytest.fixture
def rig(stack: Stack, database: str, topic_prefix: str) -> RelayRig:
    return RelayRig.prepare(stack, database, topic_prefix)


def relay_of(rig: RelayRig, *, skip_existing: bool = False, sources: tuple[str, ...] = ()) -> Relay:
    return Relay(
        dsn=rig.dsn,
        bootstrap=rig.stack.bootstrap,
        slot=rig.slot,
        prefix=rig.topic_prefix,
        skip_existing=skip_existing,
        sources=sources,
    )


@contextmanager
def running(relay: Relay) -> Iterator[None]:
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(relay.run)
        try:
            yield
        finally:
            relay.stop()
        ended.result()


def publish_from_elsewhere(rig: RelayRig) -> None:
    producer = PythonProducer(rig.stack.bootstrap)
    key, value, headers = as_record(order_event("theirs", 1), ELSEWHERE, 1)
    producer.send(rig.topic, key, value, headers)
    producer.flush(10)
    producer.close(10)


def append_one(rig: RelayRig, key: str) -> None:
    with rig.connect() as connection:
        append(connection, order_event(key, 1))


def has_slot(rig: RelayRig) -> bool:
    with rig.connect() as connection:
        return slot.inspect(connection, rig.slot) is not None


def test_events_before_the_first_start_are_given_up_only_where_the_program_says_so(rig: RelayRig) -> None:
    append_one(rig, "too-early")
    with pytest.raises(ConfigurationError, match=r"Relay\(\.\.\., skip_existing=True\)"):
        relay_of(rig).run()

    with running(relay_of(rig, skip_existing=True)):
        wait_until(lambda: has_slot(rig))
        append_one(rig, "after")
        assert [one.event.aggregate_id for one in rig.wait_published(1)] == ["after"]


def test_another_source_in_the_topic_is_ours_once_the_program_names_it(rig: RelayRig) -> None:
    publish_from_elsewhere(rig)
    slot.ensure(rig.dsn, slot=rig.slot, publication="outbox", skip_existing=False)
    append_one(rig, "ours")
    with pytest.raises(ConfigurationError, match=r"Relay\(\.\.\., sources=") as refusal:
        relay_of(rig).run()
    assert ELSEWHERE in str(refusal.value)

    with running(relay_of(rig, sources=(ELSEWHERE,))):
        assert {one.event.aggregate_id for one in rig.wait_published(2)} == {"theirs", "ours"}
