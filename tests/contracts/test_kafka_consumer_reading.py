"""What every `Consumer` must do with its partitions: read, pause, seek. Expectations are written by hand."""

from __future__ import annotations

import time

import pytest

from outbox.errors import PositionLost
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition
from tests.contracts.kafka_members import WITHIN_S, Kafka, Member, poll_until
from tests.support.waiting import wait_until


def test_a_partition_that_is_not_sought_begins_at_its_first_record(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3")
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 3, member)
    assert member.values() == [b"1", b"2", b"3"]
    first = member.records[0]
    assert (first.topic, first.offset, first.key, list(first.headers)) == (kafka.topic, 0, b"a", [("id", b"1")])
    assert first.timestamp_ms > 0


def test_a_record_comes_as_it_was_sent(kafka: Kafka) -> None:
    headers = [("id", b"1"), ("id", b"2"), ("empty", b"")]
    kafka.producer.send(kafka.topic, b"key", None, headers)
    kafka.producer.send(kafka.topic, None, b"", [])
    kafka.producer.flush(WITHIN_S)
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 2, member)
    found = {(one.key, one.value, tuple(one.headers)) for one in member.records}
    assert found == {(b"key", None, tuple(headers)), (None, b"", ())}


def test_a_seek_while_being_assigned_decides_where_reading_begins(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3")
    member = kafka.member()
    member.seek_to = 2
    member.subscribe()
    with pytest.raises(PositionLost):  # the empty partition holds no offset 2
        poll_until(lambda: False, member)
    assert member.values() in ([], [b"3"])


def test_a_paused_partition_gives_nothing_and_loses_nothing(kafka: Kafka) -> None:
    member = kafka.member().subscribe()
    poll_until(lambda: member.numbers() == {0, 1}, member)
    kafka.send(b"1")
    poll_until(lambda: member.values() == [b"1"], member)
    home = TopicPartition(kafka.topic, member.records[0].partition)
    member.consumer.pause([home])
    kafka.send(b"2", b"3")
    assert any(_lands_elsewhere(kafka, key, home, member) for key in (b"b", b"c", b"d", b"e", b"f"))
    assert [record for record in member.records if record.partition == home.partition][1:] == []
    member.consumer.resume([home])
    poll_until(lambda: [one.value for one in member.records if one.key == b"a"] == [b"1", b"2", b"3"], member)


def _lands_elsewhere(kafka: Kafka, key: bytes, home: TopicPartition, member: Member) -> bool:
    """True when a record of the key came through another partition while `home` is paused."""
    if partition_of(key, 2) == home.partition:
        return False
    kafka.send(b"elsewhere", key=key)
    poll_until(lambda: any(record.key == key for record in member.records), member)
    return True


def test_pausing_after_every_fetch_loses_nothing(kafka: Kafka) -> None:
    sent = [(b"key-%d" % key, b"%d" % number) for number in range(20) for key in range(10)]
    for key, value in sent:
        kafka.producer.send(kafka.topic, key, value, [])
    kafka.producer.flush(WITHIN_S)
    member = kafka.member().subscribe()
    paused: set[TopicPartition] = set()

    def pause_what_is_fetched(_: float) -> None:
        member.consumer.resume(list(paused))
        records = member.consumer.poll(0.05, 7)
        member.records += records
        paused.clear()
        paused.update(TopicPartition(record.topic, record.partition) for record in records)
        member.consumer.pause(list(paused))
        member.records += member.consumer.poll(0.0, 7)

    wait_until(
        lambda: len(member.records) >= len(sent), lambda: f"{len(member.records)} records", pause=pause_what_is_fetched
    )
    for wanted in {key for key, _ in sent}:
        seen = [record.value for record in member.records if record.key == wanted]
        assert seen == [value for key, value in sent if key == wanted]


def test_seeking_back_reads_again(kafka: Kafka) -> None:
    member = kafka.member().subscribe()
    kafka.send(b"1", b"2")
    poll_until(lambda: len(member.records) == 2, member)
    member.consumer.seek(TopicPartition(kafka.topic, member.records[0].partition), 1)
    poll_until(lambda: len(member.records) == 3, member)
    assert member.values() == [b"1", b"2", b"2"]


def test_the_position_follows_what_was_returned(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3")
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 3, member)
    home = TopicPartition(kafka.topic, member.records[0].partition)
    assert member.consumer.position(home) == 3
    assert member.consumer.log_range([home]) == {home: (0, 3)}
    assert member.consumer.log_range([]) == {}


def test_one_poll_gives_no_more_than_asked_for(kafka: Kafka) -> None:
    kafka.send(b"1", b"2", b"3", b"4", b"5")
    member = kafka.member()
    member.held_still = True
    member.subscribe()
    poll_until(lambda: member.numbers() == {0, 1} and bool(member.told), member)
    member.consumer.resume(member.consumer.assignment())
    batches: list[list[bytes | None]] = []
    wait_until(
        lambda: sum(map(len, batches)) >= 5,
        lambda: batches,
        pause=lambda _: batches.append([record.value for record in member.consumer.poll(0.05, 2)]),
    )
    assert max(map(len, batches)) <= 2
    assert [value for batch in batches for value in batch] == [b"1", b"2", b"3", b"4", b"5"]


def test_an_offset_outside_the_log_is_an_error_not_a_new_start(kafka: Kafka) -> None:
    kafka.send(b"1")
    member = kafka.member()
    member.seek_to = 99
    member.subscribe()
    with pytest.raises(PositionLost):
        poll_until(lambda: bool(member.records), member)


def test_wakeup_ends_the_next_poll_at_once(kafka: Kafka) -> None:
    member = kafka.member().subscribe()
    poll_until(lambda: member.numbers() == {0, 1}, member)
    member.consumer.wakeup()
    before = time.monotonic()
    member.consumer.poll(60.0, 10)
    assert time.monotonic() - before < 60.0
