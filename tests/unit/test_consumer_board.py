"""The board: a lane rests alone, a forgotten assignment cannot speak, a revoke waits no longer than its grace."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from outbox.consumer.handler import Disposition
from outbox.consumer.lag.figures import lasting
from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.presence import lanes_standing, lanes_waiting
from outbox.consumer.partitions.run import Assigned, LanePosition, Run
from outbox.consumer.partitions.standing import StandingCause
from outbox.kafka.port import Record, TopicPartition
from tests.support.clock import Clock

HOME = TopicPartition("order", 0)
ASSIGNED = Assigned(HOME, "1", 1, (LanePosition(0, 0, None), LanePosition(1, 0, None)))


def done(run: Run) -> Outcome:
    return Outcome(run, None, {Disposition.APPLIED: 1}, frozenset(), frozenset())


FIRST, SECOND = b"a", b"d"


def record(offset: int, key: bytes) -> Record:
    return Record("order", 0, offset, key, b"", (), 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> LaneScheduler:
    board = LaneScheduler(Bound(records=4), 10, clock)
    board.open(ASSIGNED)
    return board


def test_the_keys_of_this_test_have_different_lanes() -> None:
    assert lane_of(FIRST, 2) != lane_of(SECOND, 2)


def test_a_lane_that_failed_rests_while_others_go_on(board: LaneScheduler, clock: Clock) -> None:
    board.offer({HOME: ([record(0, FIRST), record(1, SECOND), record(2, FIRST)], 3)})
    failed = board.take(0.0)
    assert failed is not None
    board.retry(failed, 5.0)
    other = board.take(0.0)
    assert other is not None
    assert other.lane != failed.lane
    assert board.take(0.0) is None
    clock.now += 5.0
    again = board.take(0.0)
    assert again is not None
    assert (again.records, again.attempt, again.again) == (failed.records, 1, True)
    assert again.head.records == failed.records[:1], "a slow start"
    assert board.lowest() == {HOME: 0}


def test_a_lane_stands_once_also_while_it_is_tried_again(board: LaneScheduler, clock: Clock) -> None:
    board.offer({HOME: ([record(0, FIRST), record(1, SECOND)], 2)})
    failing, slow = board.take(0.0), board.take(0.0)
    assert failing is not None
    assert slow is not None
    board.retry(failing, 1.0)
    clock.now += 1.0
    assert board.take(0.0) is not None
    clock.now += 5.0
    found = {one.lane: (one.cause, one.for_s, one.detail) for one in lanes_standing(board)}
    assert found == {
        failing.lane: (StandingCause.LANE_STANDS, 6.0, "tried 1 times, at work for 5 s"),
        slow.lane: (StandingCause.LANE_STANDS, 6.0, "at work"),
    }
    assert len(lanes_standing(board)) == 2
    assert [lane for _, lane, *_ in board.standing()] == [failing.lane], "what is only at work is not retried"


def test_a_lane_that_waits_for_a_worker_stands_no_longer_than_its_turn(board: LaneScheduler, clock: Clock) -> None:
    board.offer({HOME: ([record(0, FIRST), record(1, SECOND), record(2, SECOND)], 3)})
    clock.now += 0.5
    assert lanes_waiting(board) == [], "most wait for a moment"
    clock.now += 8.0
    run = board.take(0.0)
    assert run is not None
    (one,) = lanes_waiting(board)
    assert (one.cause, one.lane, one.for_s) == (StandingCause.WAITS_ITS_TURN, 1 - run.lane, 8.5)
    assert lanes_standing(board) == lasting([one]) == [], "it is worked off"
    board.close([HOME], 0.0)
    assert lanes_waiting(board) == [], "it is nobody's any more"


def test_what_comes_back_for_a_forgotten_assignment_is_ignored(board: LaneScheduler) -> None:
    board.offer({HOME: ([record(0, FIRST)], 1)})
    late = board.take(0.0)
    assert late is not None
    assert not board.close([HOME], 0.0), "the grace ended before the run"
    board.open(replace(ASSIGNED, fence=2))
    board.done(done(late))
    board.fenced(late.assigned)
    assert board.lowest() == {HOME: 0}
    assert board.take_fenced() == []
    board.offer({HOME: ([record(0, FIRST)], 1)})
    again = board.take(0.0)
    assert again is not None
    assert again.assigned.fence == 2


def test_a_fenced_partition_is_forgotten_and_told_once(board: LaneScheduler) -> None:
    board.offer({HOME: ([record(0, FIRST), record(1, SECOND)], 2)})
    run = board.take(0.0)
    assert run is not None
    board.fenced(run.assigned)
    assert (board.take_fenced(), board.take_fenced()) == ([HOME], [])
    assert board.take(0.0) is None
    assert board.held() == []


def test_the_gate_counts_what_runs_and_what_waits_for_a_retry(board: LaneScheduler) -> None:
    board.offer({HOME: ([record(offset, FIRST) for offset in range(4)], 4)})
    run = board.take(0.0)
    assert run is not None
    assert board.gates() == ([HOME], [])
    board.retry(run, 60.0)
    assert board.gates() == ([], [])
    assert board.load() == {HOME: (4, 4)}


def test_who_waits_for_room_hears_of_the_run_that_makes_it(board: LaneScheduler) -> None:
    board.offer({HOME: ([record(offset, FIRST) for offset in range(4)], 4)})
    run = board.take(0.0)
    assert run is not None
    assert (board.flow(), board.wait_for_room(0.0)) == ((1, 0), False), "nobody is paused"
    board.gates()
    assert (board.flow(), board.wait_for_room(0.0)) == ((0, 1), False)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(board.wait_for_room, 60.0)
        board.done(done(run))
        assert waiting.result(30.0)
    assert board.gates() == ([], [HOME])
    assert (board.flow(), board.wait_for_room(0.0)) == ((1, 0), False)


def test_what_cannot_be_read_on_is_neither_paused_nor_flows(board: LaneScheduler) -> None:
    board.offer({HOME: ([record(offset, FIRST) for offset in range(4)], 4)})
    board.gates()
    board.dry_up(HOME)
    assert board.flow() == (0, 0)
    assert not board.wait_for_room(0.0)


def test_after_a_stop_no_run_is_given_out(board: LaneScheduler) -> None:
    board.offer({HOME: ([record(0, FIRST)], 1)})
    board.stop()
    assert board.take(1.0) is None
    assert board.wait_quiet(0.0)


def test_records_of_a_partition_that_is_not_open_are_dropped(board: LaneScheduler) -> None:
    board.offer({TopicPartition("order", 1): ([record(0, FIRST)], 1)})
    assert board.take(0.0) is None
