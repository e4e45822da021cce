"""What every `Consumer` must do in its group: join, share, leave, take over. Expectations are written by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from outbox.kafka.port import TopicPartition
from tests.contracts.kafka_members import Kafka, Member, poll_until
from tests.support.waiting import wait_until


def test_all_partitions_are_told_before_records_come(kafka: Kafka) -> None:
    kafka.send(b"1")
    member = kafka.member()
    member.held_still = True
    member.subscribe()
    poll_until(lambda: member.numbers() == {0, 1} and member.told == [("assigned", (0, 1))], member)
    assert member.records == []


def test_two_members_share_and_one_takes_over_when_the_other_leaves(kafka: Kafka) -> None:
    first, second = kafka.member().subscribe(), kafka.member()
    poll_until(lambda: first.numbers() == {0, 1}, first)
    second.subscribe()
    poll_until(lambda: len(first.numbers()) == len(second.numbers()) == 1, first, second)
    assert first.numbers() | second.numbers() == {0, 1}
    assert "revoked" in dict(first.told)
    with ThreadPoolExecutor(1) as pool:  # a broker may answer who leaves when the others have come back
        leaving = pool.submit(first.consumer.close)
        poll_until(lambda: second.numbers() == {0, 1}, second)
        leaving.result()


def test_a_record_sent_during_rebalances_is_not_lost(kafka: Kafka) -> None:
    first, second = kafka.member().subscribe(), kafka.member()
    poll_until(lambda: first.numbers() == {0, 1}, first)
    second.subscribe()
    for number in range(20):
        kafka.send(b"%d" % number, key=b"key-%d" % number)
        first.poll()
        second.poll()
    sent = {b"%d" % number for number in range(20)}
    poll_until(lambda: len({*first.values(), *second.values()}) == len(sent), first, second)
    assert {*first.values(), *second.values()} == sent


def test_commits_do_not_move_where_a_new_member_begins(kafka: Kafka) -> None:
    kafka.send(b"1", b"2")
    first = kafka.member().subscribe()
    poll_until(lambda: len(first.records) == 2, first)
    first.consumer.commit({TopicPartition(kafka.topic, first.records[0].partition): 2})
    first.poll()
    first.consumer.close()
    second = kafka.member().subscribe()
    poll_until(lambda: len(second.records) == 2, second)
    assert second.values() == [b"1", b"2"]


def join(member: Member) -> None:
    wait_until(lambda: member.numbers() == {0, 1}, lambda: member.told, pause=lambda _: member.consumer.poll(0.002, 10))


def test_a_join_survives_polls_that_are_shorter_than_it(kafka: Kafka) -> None:
    for _ in range(3):
        member = kafka.member().subscribe()
        join(member)
        assert set(member.consumer.assignment()) == {TopicPartition(kafka.topic, number) for number in (0, 1)}
        member.consumer.close()


def test_a_member_that_rejoins_is_told_of_the_loss_first_and_begins_anew(kafka: Kafka) -> None:
    kafka.send(b"1", b"2")
    member = kafka.member().subscribe()
    poll_until(lambda: len(member.records) == 2, member)
    told = len(member.told)
    member.consumer.rejoin()
    kafka.send(b"3")
    poll_until(lambda: member.values()[2:] == [b"1", b"2", b"3"], member)
    assert member.told[told] == ("revoked", (0, 1))
    assert [what for what, _ in member.told[told:]] == ["revoked", "assigned"]
