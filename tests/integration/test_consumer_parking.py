"""Quarantine takes any event and any reason: what cannot be stored would stop its lane for ever, unparked."""

from __future__ import annotations

import random
from collections.abc import Sequence

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Metric, Poison
from outbox.consumer.quarantine.parked import AGAIN
from outbox.consumer.retry.rule import Trouble, classify
from outbox.event import Event, ReceivedEvent, SourcePosition
from outbox.kafka.codec import to_headers
from tests.integration.consumer_faults import TOPIC
from tests.integration.consumer_rig import Rig, connect_to, write_effects
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

LONG = random.Random(5).randbytes(9_000).hex()  # random, so that it stays too long for an index however it is packed
REASONS = {
    "\0 is no text": "\\x00 is no text",
    "\ud800 is half a character": "\\ud800 is half a character",
    "": "poison, without a reason",
    "long " + "\0" * 600: "long " + "\\x00" * 123 + "\\x0",
}


def test_any_key_is_parked_with_what_comes_behind_it(rig: Rig, broker: MemoryBroker) -> None:
    keys = [LONG, LONG + "'", "\0", ""]

    def strict(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if events[0].event.aggregate_version == 1:
            raise Poison(0, "no such customer")
        return write_effects(connection, events)

    running = rig.runtime(strict)
    for key in keys:
        for number in (1, 2):
            event = Event("order", "aggregate", number, "OrderPlaced", b"{}", partition_key=key)
            broker.append(TOPIC, key.encode(), b"{}", to_headers(event, None))
    wait_until(rig.caught_up, rig.positions)
    assert running.count(Metric.RETRY) == 0
    assert [bytes(key).decode() for (key,) in rig.sql("SELECT DISTINCT key FROM quarantine ORDER BY 1")] == sorted(keys)
    rig.sql("UPDATE quarantine SET resolved_at = now() WHERE reason = 'no such customer'")
    running.stop()
    rig.runtime(strict)  # looks at once, and knows the keys from their rows
    wait_until(lambda: len(rig.effects()) == len(keys), rig.effects)


@pytest.mark.parametrize("position", ["s:" + "F" * 17 + ":0", "s:1:9999999999", "s\0:1:0", "s:-1:0", "nothing"])
def test_a_position_that_no_database_has_is_undecodable(rig: Rig, broker: MemoryBroker, position: str) -> None:
    headers = to_headers(Event("order", "order-1", 1, "OrderPlaced", b"{}"), SourcePosition("s", 1, 0))
    broker.append(
        TOPIC,
        b"order-1",
        b"{}",
        [(name, position.encode() if name == "position" else value) for name, value in headers],
    )
    running = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    assert running.count(Metric.PARKED, "undecodable") == 1


def test_any_reason_is_kept_as_text(rig: Rig) -> None:
    numbers = dict(enumerate(REASONS, 1))

    def refusing(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        raise Poison(0, numbers[events[0].event.aggregate_version])

    running = rig.runtime(refusing)
    for number in numbers:
        rig.send(f"order-{number}", number)
    wait_until(rig.caught_up, rig.positions)
    assert running.count(Metric.RETRY) == 0
    assert {reason for (reason,) in rig.sql("SELECT reason FROM quarantine")} == set(REASONS.values())
    with connect_to(rig.dsn) as connection:  # a replay that is refused again
        connection.execute("UPDATE quarantine SET reason = 'first', replay_requested_at = now()")
        connection.execute("SELECT pg_notify('quarantine_search', '')")
    both = {f"first{AGAIN}{reason}" for reason in REASONS.values()}
    wait_until(lambda: {one for (one,) in rig.sql("SELECT reason FROM quarantine")} == both, running.counts.most_common)


def test_what_is_too_long_for_a_handlers_index_is_parked(rig: Rig) -> None:
    """PostgreSQL's class 54 is of the data, as 22 is."""
    rig.sql("CREATE INDEX ON effects_seen (key)")
    rig.runtime()
    rig.send(LONG, 1)
    rig.send("order-1", 1)
    wait_until(rig.caught_up, rig.positions)
    assert [reason for (reason,) in rig.sql("SELECT reason FROM quarantine")] == [
        "permanent: ProgramLimitExceeded (54000)"
    ]
    assert rig.effects() == [("order-1", 1)]
    assert classify(psycopg.errors.StatementTooComplex()) is Trouble.PERMANENT
