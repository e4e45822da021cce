"""What is parked and cannot be replayed as it lies: bytes that are no event, records that the log loses or has lost."""

from __future__ import annotations

import pytest

from outbox.consumer import Metric
from outbox.consumer.quarantine import quarantine_admin
from outbox.kafka.headers import RawHeaders
from outbox.kafka.port import TopicPartition
from tests.integration.consumer_faults import TOPIC
from tests.integration.consumer_rig import Rig
from tests.integration.test_consumer_release import TOLD, Picky, ask, head, replay, rig
from tests.support.kafka.memory import MemoryBroker
from tests.support.waiting import wait_until

__all__ = ["rig"]  # the fixture


def test_bytes_that_were_no_event_are_mended_by_payload_and_headers(rig: Rig, broker: MemoryBroker) -> None:
    broken = broker.append(TOPIC, b"order-1", b"\xff", [("id", b"?")])
    rig.sent.append(("order-1", 1))
    rig.send("order-1", 2)
    rig.runtime()
    wait_until(lambda: len(rig.parked()) == 2, rig.parked)
    headers = [("id", b"018f0000-0000-7000-8000-000000000001"), ("type", b"OrderPlaced"), ("version", b"1")]
    ask(rig, lambda connection, entry: quarantine_admin.fix(connection, entry, TOLD, value=b"{}", headers=headers))
    assert head(rig).offset == broken.offset
    replay(rig)
    wait_until(rig.all_applied, rig.parked)
    rig.assert_once_and_in_order()


def test_the_record_is_kept_before_the_log_loses_it(
    rig: Rig, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.consumer.quarantine.release.KEEP_EVERY_S", 0.1)
    monkeypatch.setattr("outbox.consumer.quarantine.release.KEEP_OLDER_S", 0.0)
    picky = Picky(("order-1", 1))
    rig.send_many(keys=2, each=3)
    running = rig.runtime(picky)
    wait_until(lambda: running.count(Metric.KEPT) == 3, rig.parked)
    for partition in range(2):
        log = broker.log(TopicPartition(TOPIC, partition))
        log.delete_before(log.end)
    picky.refused.clear()
    replay(rig)
    wait_until(rig.all_applied, rig.parked)
    rig.assert_once_and_in_order()


@pytest.mark.parametrize("damage", [b"\x0a\x02\xff\x02\xff", b"\x08\x02\x00", b"\x08\x02"])
def test_headers_that_are_no_text_are_kept_and_mended(
    rig: Rig, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    """A name of other bytes, a NUL in one, and one that is cut off: neither holds up what is parked beside it."""
    monkeypatch.setattr("outbox.consumer.quarantine.release.KEEP_EVERY_S", 0.1)
    monkeypatch.setattr("outbox.consumer.quarantine.release.KEEP_OLDER_S", 0.0)
    rig.send_many(keys=2, each=1)
    for partition in range(2):
        records = broker.log(TopicPartition(TOPIC, partition)).records
        for place, record in enumerate(records):
            raw = b"".join(
                bytes([2 * len(one)]) + one for name, value in record.headers[:3] for one in (name.encode(), value)
            )
            records[place] = record._replace(headers=RawHeaders(damage[:1] + raw + damage[1:]))
    picky = Picky(("order-0", 1), ("order-1", 1))
    running = rig.runtime(picky)
    wait_until(lambda: running.count(Metric.KEPT) == 2, rig.parked)
    for partition in range(2):
        log = broker.log(TopicPartition(TOPIC, partition))
        log.delete_before(log.end)
    picky.refused.clear()
    headers = [("id", b"018f0000-0000-7000-8000-000000000001"), ("type", b"OrderPlaced"), ("version", b"1")]
    for _ in range(2):
        waiting = len(rig.parked())
        ask(rig, lambda connection, entry: quarantine_admin.fix(connection, entry, TOLD, value=None, headers=headers))
        replay(rig)
        wait_until(lambda waiting=waiting: len(rig.parked()) < waiting, rig.parked)  # type: ignore[misc] # bound at once
    rig.assert_once_and_in_order()


def test_a_record_that_is_gone_is_said_and_nothing_passes_it(rig: Rig, broker: MemoryBroker) -> None:
    rig.send_many(keys=1, each=2)
    rig.sent.clear()
    running = rig.runtime(Picky(("order-0", 1)))
    wait_until(lambda: len(rig.parked()) == 2, rig.parked)
    for partition in range(2):
        log = broker.log(TopicPartition(TOPIC, partition))
        log.delete_before(log.end)
    replay(rig)
    wait_until(lambda: running.count(Metric.HELD_AGAIN) == 1, rig.parked)
    assert head(rig).reason.startswith("no such customer | replayed: its record is gone from the log")
    assert rig.effects() == []
