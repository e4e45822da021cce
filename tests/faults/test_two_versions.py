"""Two versions of a service in one group: the old parks what it does not know, the new one gets it later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Handler, Metric, Poison
from outbox.consumer.quarantine import quarantine_admin
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.codec import to_headers
from outbox.told import Told
from tests.integration.consumer_rig import WITHIN_S, Rig, connect_to, write_effects
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.waiting import wait_until

TOLD = Told("ann", "all members know the new type now")
KEYS, OLD, NEW = 24, "OrderPlaced", "OrderShipped"


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix) as rig:
        yield rig


def knowing(*types: str) -> Handler:
    """A version of the service that knows these types."""

    def handle(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for index, received in enumerate(events):
            if received.event.type not in types:
                raise Poison(index, f"search: Undecodable: unknown event type {received.event.type!r}")
        return write_effects(connection, events)

    return handle


def send(rig: Rig, *types: str) -> None:
    """An event of each type for each key, with fields that no version knows."""
    for number, type_ in enumerate(types, 1):
        for key in range(KEYS):
            rig.lsn += 1
            event = Event("order", f"order-{key}", number, type_, b'{"of_a_later_contract": 1}')
            headers = to_headers(event, SourcePosition("test", rig.lsn, 0))
            rig.producer.send(rig.topic, event.aggregate_id.encode(), event.payload, headers)
            rig.sent.append((event.aggregate_id, number))
    rig.producer.flush(WITHIN_S)


def parked(rig: Rig) -> int:
    return len(rig.parked())


def test_what_the_old_version_does_not_know_waits_in_order_for_the_new_one(rig: Rig) -> None:
    old, new = rig.runtime(knowing(OLD)), rig.runtime(knowing(OLD, NEW))
    wait_until(lambda: [len(each.runtime.load()) for each in (old, new)] == [2, 2], lambda: (old.counts, new.counts))
    send(rig, OLD, NEW, OLD)
    wait_until(lambda: len(rig.effects()) + parked(rig) == len(rig.sent), lambda: (len(rig.effects()), parked(rig)))
    waiting = rig.parked()
    assert 0 < len(waiting) < 2 * KEYS, "both versions were at work"
    old.stop()  # counts come after their commit
    assert old.count(Metric.PARKED, "poison") == len({key for key, _ in waiting})
    assert new.count(Metric.PARKED) == 0
    with connect_to(rig.dsn) as connection:
        heads = quarantine_admin.entries(connection, heads=True)
        assert {entry.reason for entry in heads} == {"search: Undecodable: unknown event type 'OrderShipped'"}
        for entry in heads:
            quarantine_admin.request_replay(connection, entry, TOLD)
    wait_until(rig.all_applied, lambda: (len(rig.effects()), parked(rig)))
    wait_until(lambda: not rig.parked() and rig.caught_up(), rig.parked)
    new.stop()
    assert (old.error, new.error) == (None, None)
    rig.assert_once_and_in_order()
