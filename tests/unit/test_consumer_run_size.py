"""Runs grow under a backlog, end with what is poisoned, and are handled in parts while events fail."""

from __future__ import annotations

from outbox.consumer.partitions.bounds import FIRST_RUN_RECORDS, Bound, PartSize, RunSize
from outbox.consumer.partitions.lanes import PartitionLanes
from outbox.consumer.partitions.outcome import Failed, Outcome
from outbox.consumer.partitions.run import Assigned, LanePosition, Run
from outbox.kafka.port import Record, TopicPartition

ASSIGNED = Assigned(TopicPartition("order", 0), "1", 7, (LanePosition(0, 0, None),))


def filled(records: int, run_s: float = 0.2) -> PartitionLanes:
    lanes = PartitionLanes(ASSIGNED, Bound(), run_s)
    lanes.offer([Record("order", 0, offset, b"a", b"v", (), 0) for offset in range(records)], records)
    return lanes


def next_run(lanes: PartitionLanes, most: int = 1_000) -> Run:
    run = lanes.take(0, most)
    assert run is not None
    return run


def finish(lanes: PartitionLanes, run: Run, took_s: float = 0.0) -> None:
    lanes.done(Outcome(run, None, {}, frozenset(), frozenset()), took_s)


def test_quick_runs_grow_to_the_most_and_slow_ones_shrink() -> None:
    lanes = filled(10_000)
    sizes = []
    for took_s in (0.01, 0.01, 0.15, 0.3, 0.3):
        run = next_run(lanes, most=200)
        sizes.append(len(run.records))
        finish(lanes, run, took_s)
    assert sizes == [FIRST_RUN_RECORDS, 128, 200, 200, 128]


def test_a_short_run_says_nothing_about_longer_ones() -> None:
    size = RunSize(target_s=0.2)
    size.done(records=3, took_s=0.001)
    assert size.limit == FIRST_RUN_RECORDS


def test_what_follows_a_cut_is_taken_next_and_nothing_is_lost() -> None:
    lanes = filled(10)
    run = next_run(lanes)
    cut = run.cut_behind(3)
    assert (len(cut.records), cut.next_offset) == (4, 4)
    finish(lanes, cut)
    assert (lanes.lowest(), lanes.records, lanes.bytes) == (4, 6, 12)
    rest = next_run(lanes)
    assert [record.offset for record in rest.records] == [4, 5, 6, 7], "poison comes in lots: no longer than the cut"
    assert rest.cut_behind(7) is rest
    finish(lanes, rest)
    finish(lanes, next_run(lanes))
    assert (lanes.lowest(), lanes.records, lanes.bytes) == (10, 0, 0)


def test_a_cut_of_an_abandoned_run_changes_nothing() -> None:
    lanes = filled(10)
    run = next_run(lanes)
    lanes.abandon()
    finish(lanes, run.cut_behind(3))
    assert (lanes.lowest(), lanes.records) == (0, 0)


def test_parts_are_short_while_much_fails_and_whole_runs_when_nothing_does() -> None:
    size = PartSize()
    size.done(5_000)
    assert size.limit is None, "nothing has failed: all at once"
    limits = [parts_after(size, 100) for _ in range(6)]  # one of a hundred
    assert limits[0] == 100
    assert limits[-1] == 72  # on its way to 14: gaps vary as much as their mean, so one says little
    assert [parts_after(size, 100) for _ in range(60)][-1] == 14
    size.done(1_000_000)
    assert (size.limit or 0) > 1_000


def parts_after(size: PartSize, events: int) -> int:
    """A failure, and so many that go well."""
    size.done(0, 1)
    size.done(events)
    return size.limit or 0


def test_what_failed_behind_others_is_tried_again_alone_and_they_are_done() -> None:
    lanes = filled(64)
    run = next_run(lanes)
    failed = Failed(run.cut_to(10, 14), ConnectionError())
    lanes.done(Outcome(run.cut_before(10), None, {}, frozenset(), frozenset(), failed=failed))
    assert (lanes.lowest(), lanes.records) == (10, 54)
    again = next_run(lanes)
    assert (again.records[0].offset, again.attempt, again.again, again.failed_alone) == (10, 1, True, False)
    assert [*again.head.records] == [again.records[0]]
    assert [len(places) for places in again.parts(54)] == [1, *[4] * 13, 1]
    lanes.give_back(again.head)
    assert next_run(lanes).failed_alone
