"""The frontier: which orders the new side must have seen, from positions and ends alone."""

from dataclasses import replace

from outbox.consumer.partitions.lanes import lane_of
from outbox.kafka.partition import partition_of
from outbox.kafka.port import TopicPartition, TopicState
from strangler.reconcile.frontier import Ends, Mark, step_frontier
from strangler.reconcile.subject_evidence import Visibility

TOPIC, LANES = "shop.order", 4
ENDS = Ends({TOPIC: TopicState(2, "made-1")}, {TopicPartition(TOPIC, 0): 10, TopicPartition(TOPIC, 1): 0})
PASSED = [Mark(TOPIC, number, lane, LANES, "made-1", 10 * (1 - number)) for number in (0, 1) for lane in range(LANES)]
KEYS = [f"order-{number}" for number in range(200)]


def place(key: str) -> tuple[int, int]:
    return partition_of(key.encode(), 2), lane_of(key.encode(), LANES)


def test_all_orders_have_passed_when_all_lanes_stand_at_the_ends() -> None:
    frontier = step_frontier([TOPIC], ENDS, PASSED)

    assert frontier.decided()
    assert {frontier.of_key(key).state for key in KEYS} == {Visibility.PASSED}


def test_one_lane_behind_holds_back_exactly_its_orders() -> None:
    marks = [replace(mark, next_offset=9) if (mark.partition, mark.lane) == (0, 2) else mark for mark in PASSED]
    frontier = step_frontier([TOPIC], ENDS, marks)

    behind = {key for key in KEYS if frontier.of_key(key).state is Visibility.BEHIND}
    assert behind == {key for key in KEYS if place(key) == (0, 2)}
    assert behind
    assert not frontier.decided()


def test_a_lane_without_a_row_is_behind() -> None:
    frontier = step_frontier([TOPIC], ENDS, [mark for mark in PASSED if (mark.partition, mark.lane) != (0, 1)])

    assert {place(key) for key in KEYS if frontier.of_key(key).state is Visibility.BEHIND} == {(0, 1)}


def test_a_partition_that_was_never_assigned_is_behind_also_when_it_is_empty() -> None:
    frontier = step_frontier([TOPIC], ENDS, [mark for mark in PASSED if mark.partition == 0])

    assert {place(key)[0] for key in KEYS if frontier.of_key(key).state is Visibility.BEHIND} == {1}


def test_another_incarnation_is_unknown_and_nothing_to_wait_for() -> None:
    marks = [replace(mark, incarnation="made-0") if mark.partition == 0 else mark for mark in PASSED]
    frontier = step_frontier([TOPIC], ENDS, marks)

    lanes = [frontier.of_key(key) for key in KEYS if place(key)[0] == 0]
    assert {lane.state for lane in lanes} == {Visibility.UNKNOWN}
    assert "made again" in lanes[0].why
    assert frontier.decided()


def test_a_position_beyond_the_end_is_progress_unless_the_log_ends_before_it() -> None:
    marks = [replace(mark, next_offset=12) if mark.partition == 0 else mark for mark in PASSED]
    grown = {TopicPartition(TOPIC, 0): 12, TopicPartition(TOPIC, 1): 0}
    key = next(key for key in KEYS if place(key)[0] == 0)

    assert step_frontier([TOPIC], ENDS, marks).of_key(key).state is Visibility.PASSED
    assert step_frontier([TOPIC], ENDS, marks, grown).of_key(key).state is Visibility.PASSED
    assert step_frontier([TOPIC], ENDS, marks, ENDS.offsets).of_key(key).state is Visibility.UNKNOWN


def test_lanes_of_two_counts_are_ambiguous() -> None:
    marks = [replace(PASSED[0], lanes=8), *PASSED[1:]]

    assert (
        step_frontier([TOPIC], ENDS, marks).of_key(next(k for k in KEYS if place(k)[0] == 0)).state
        is Visibility.UNKNOWN
    )


def test_a_topic_that_does_not_exist_is_unknown() -> None:
    lane = step_frontier([TOPIC, "shop.other"], ENDS, PASSED).of_key("order-1")

    assert lane.state is Visibility.UNKNOWN
    assert "shop.other" in lane.why


def test_an_end_that_kafka_does_not_tell_is_unknown() -> None:
    ends = Ends(ENDS.topics, {TopicPartition(TOPIC, 0): 10})
    key = next(key for key in KEYS if place(key)[0] == 1)

    assert step_frontier([TOPIC], ends, PASSED).of_key(key).state is Visibility.UNKNOWN


def test_with_two_topics_the_worse_lane_counts() -> None:
    other = "shop.other"
    ends = Ends({**ENDS.topics, other: TopicState(1, "")}, {**ENDS.offsets, TopicPartition(other, 0): 1})
    marks = [*PASSED, Mark(other, 0, 0, 1, "", 0)]

    assert step_frontier([TOPIC, other], ends, marks).of_key("order-1").state is Visibility.BEHIND
