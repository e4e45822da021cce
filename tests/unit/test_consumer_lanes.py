"""Lanes: a key's order is kept, nothing is taken twice, positions only grow, the bound holds."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.lanes import PartitionLanes, lane_of
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.run import Assigned, LanePosition, Run
from outbox.event import SourcePosition
from outbox.kafka.port import Record, TopicPartition

HOME = TopicPartition("order", 0)
LANES = 3
KEYS = [b"a", b"b", b"c", b"f", b"g", b"i"]  # they fall into all three lanes


def record(offset: int, key: bytes | None = b"a", value: bytes = b"v") -> Record:
    return Record("order", 0, offset, key, value, (), 0)


def assigned(*offsets: int) -> Assigned:
    lanes = tuple(LanePosition(lane, offset, None) for lane, offset in enumerate(offsets))
    return Assigned(HOME, "1", 7, lanes)


def fresh(bound: Bound | None = None) -> PartitionLanes:
    return PartitionLanes(assigned(*[0] * LANES), bound or Bound())


def finish(lanes: PartitionLanes, run: Run) -> bool:
    return lanes.done(Outcome(run, None, {}, frozenset(), frozenset()))


def key_of_lane(lane: int) -> bytes:
    return next(key for key in KEYS if lane_of(key, LANES) == lane)


@given(st.binary(), st.integers(1, 64))
def test_a_key_has_one_lane(key: bytes, lanes: int) -> None:
    assert lane_of(key, lanes) == lane_of(key, lanes) < lanes


def test_a_known_key_keeps_its_lane_for_ever() -> None:
    assert [lane_of(key, 8) for key in (b"", b"order-1", b"order-2")] == [0, 7, 5]


def test_a_run_ends_where_the_lane_goes_on() -> None:
    lanes = fresh()
    lanes.offer([record(4), record(9)], 12)
    first = lanes.take(lane_of(b"a", LANES), 1)
    assert first is not None
    assert first.next_offset == 9
    finish(lanes, first)
    second = lanes.take(lane_of(b"a", LANES), 1)
    assert second is not None
    assert second.next_offset == 12  # two markers follow the last record


def test_idle_lanes_follow_the_frontier_and_busy_ones_do_not() -> None:
    lanes = fresh()
    assert lanes.idle() is None
    lanes.offer([record(0, key_of_lane(1))], 3)
    sweep = lanes.idle()
    assert sweep is not None
    assert (sweep.lanes, sweep.target) == ((0, 2), 3)
    lanes.swept(sweep)
    assert lanes.idle() is None
    assert lanes.lowest() == 0


def test_after_a_restart_from_the_lowest_lane_the_others_skip_what_they_did() -> None:
    stored = [0, 0, 0]
    stored[lane_of(b"a", LANES)] = 5
    lanes = PartitionLanes(assigned(*stored), Bound())
    lanes.offer([record(offset) for offset in range(7)], 7)
    run = lanes.take(lane_of(b"a", LANES), 10)
    assert run is not None
    assert [one.offset for one in run.records] == [5, 6]


def test_a_fetch_that_repeats_records_is_taken_once() -> None:
    lanes = fresh()
    lanes.offer([record(0), record(1)], 2)
    lanes.offer([record(1), record(2)], 3)
    run = lanes.take(lane_of(b"a", LANES), 10)
    assert run is not None
    assert [one.offset for one in run.records] == [0, 1, 2]


def test_a_commit_whose_answer_was_lost_is_not_done_again() -> None:
    lanes = fresh()
    lanes.offer([record(0), record(1), record(2)], 3)
    lane = lane_of(b"a", LANES)
    run = lanes.take(lane, 2)
    assert run is not None
    last = SourcePosition("s", 1, 0)
    assert lanes.overtaken(run, LanePosition(lane, 2, last))
    again = lanes.take(lane, 10)
    assert again is not None
    assert ([one.offset for one in again.records], again.last) == ([2], last)
    assert lanes.records == 1


def test_a_commit_whose_answer_was_lost_may_have_parked_its_keys_so_the_next_run_looks() -> None:
    lanes = fresh()
    lanes.offer([record(0), record(1)], 2)
    lane = lane_of(b"a", LANES)
    run = lanes.take(lane, 1)
    assert run is not None
    lanes.overtaken(run, LanePosition(lane, 1, None))
    again = lanes.take(lane, 10)
    assert again is not None
    assert b"a" in again.parked_keys


def test_the_gate_closes_at_the_bound_and_opens_at_half() -> None:
    bound = Bound(records=10, bytes=1000)
    assert [bound.gate(count, 0, closed=False) for count in (9, 10)] == [False, True]
    assert [bound.gate(count, 0, closed=True) for count in (6, 5)] == [True, False]
    assert [bound.gate(0, size, closed=False) for size in (999, 1000)] == [False, True]
    assert [bound.gate(0, size, closed=True) for size in (501, 500)] == [True, False]


class LanesMachine(RuleBasedStateMachine):
    """Fetches, runs, failures and sweeps in any order, as the board would let them happen."""

    FETCH = 5
    BOUND = Bound(records=8, bytes=10_000)

    def __init__(self) -> None:
        super().__init__()
        self.lanes = fresh(self.BOUND)
        self.next_offset = 0
        self.runs: dict[int, Run] = {}
        self.offered: dict[bytes, list[int]] = defaultdict(list)
        self.handled: dict[bytes, list[int]] = defaultdict(list)
        self.lowest = 0

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=0, max_size=FETCH), gap=st.integers(0, 3))
    def fetch(self, keys: list[bytes], gap: int) -> None:
        if self.lanes.gate():
            return
        records = []
        for key in keys:
            records.append(record(self.next_offset, key))
            self.offered[key].append(self.next_offset)
            self.next_offset += 1 + gap
        self.lanes.offer(records, self.next_offset)

    @rule(lane=st.integers(0, LANES - 1), limit=st.integers(1, 4))
    def take(self, lane: int, limit: int) -> None:
        run = self.lanes.take(lane, limit)
        if run is not None:
            assert lane not in self.runs, "a lane was given to two workers"
            self.runs[lane] = run

    @rule(lane=st.integers(0, LANES - 1))
    def commit(self, lane: int) -> None:
        run = self.runs.pop(lane, None)
        if run is not None:
            for one in run.records:
                self.handled[one.key or b""].append(one.offset)
            finish(self.lanes, run)

    @rule(lane=st.integers(0, LANES - 1))
    def fail(self, lane: int) -> None:
        run = self.runs.pop(lane, None)
        if run is not None:
            self.lanes.give_back(run)

    @rule()
    def sweep(self) -> None:
        idle = self.lanes.idle()
        if idle is not None:
            self.lanes.swept(idle)

    @invariant()
    def a_key_is_handled_in_order_and_once(self) -> None:
        for key, offsets in self.handled.items():
            assert offsets == self.offered[key][: len(offsets)]

    @invariant()
    def nothing_below_the_lowest_position_is_pending(self) -> None:
        lowest = self.lanes.lowest()
        assert lowest >= self.lowest
        self.lowest = lowest
        for key, offsets in self.offered.items():
            done = set(self.handled[key])
            assert all(offset in done for offset in offsets if offset < lowest)

    @invariant()
    def memory_stays_within_the_bound_plus_one_fetch(self) -> None:
        outstanding = sum(map(len, self.offered.values())) - sum(map(len, self.handled.values()))
        assert self.lanes.records == outstanding < self.BOUND.records + self.FETCH

    def teardown(self) -> None:
        for lane in list(self.runs):
            self.commit(lane)
        for lane in range(LANES):
            while (run := self.lanes.take(lane, 4)) is not None:
                self.runs[lane] = run
                self.commit(lane)
        self.sweep()
        assert self.lanes.lowest() == self.next_offset
        assert self.handled == {key: offsets for key, offsets in self.offered.items() if key in self.handled}
        assert (self.lanes.records, self.lanes.bytes) == (0, 0)


TestLanesMachine = LanesMachine.TestCase
