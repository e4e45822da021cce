"""Bugs that consumers of this kind have had, put into the core one at a time: the simulator must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from outbox.consumer import triage
from outbox.consumer.partitions import lanes
from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.lanes import PartitionLanes
from outbox.consumer.partitions.run import Assigned, LanePosition, Run, Sweep
from outbox.consumer.partitions.watchdog import Patience, Watchdog, WatchedPosition
from outbox.kafka.port import Record, TopicPartition
from tests.simulator.member import BOUND

Fetched = Mapping[TopicPartition, tuple[Sequence[Record], int]]


@contextmanager
def full_buffer_drops_records() -> Iterator[None]:
    """Faust-streaming #88: what does not fit into the full buffer is dropped, and its offset passed."""
    offer = LaneScheduler.offer

    def dropping(self: LaneScheduler, fetched: Fetched) -> None:
        room = {one: max(0, BOUND.records - held) for one, (held, _) in self.load().items()}
        offer(self, {one: (records[: room.get(one, 0)], end) for one, (records, end) in fetched.items()})

    with patch.object(LaneScheduler, "offer", dropping):
        yield


@contextmanager
def positions_pass_what_waits() -> Iterator[None]:
    """Parallel Consumer #826, #827: a position is stored beyond records that were fetched and not yet handled."""

    def idle(self: PartitionLanes) -> Sweep | None:
        free = tuple(number for number, lane in enumerate(self._lanes) if lane.running is None)
        return Sweep(self.assigned, free, self.frontier) if free else None

    with patch.object(PartitionLanes, "idle", idle):
        yield


@contextmanager
def frozen_partition_is_not_missed() -> Iterator[None]:
    """kafka-python #3131, Quix Streams #1124: a partition is assigned and silently never fetched again."""

    def blind(self: Watchdog, now: float, flowing: Mapping[TopicPartition, WatchedPosition]) -> Set[TopicPartition]:
        return set()

    with patch.object(Watchdog, "look", blind):
        yield


@contextmanager
def seeking_is_the_only_remedy() -> Iterator[None]:
    """As above, with a client that only a new one helps."""
    before = Patience.before
    with patch.object(Patience, "before", lambda self, remedies: before(self, remedies) if not remedies else 1e9):
        yield


@contextmanager
def paused_for_ever() -> Iterator[None]:
    """KPipe #233: paused by its backlog, a partition is never resumed."""
    gate = Bound.gate

    def stuck(self: Bound, records: int, size_bytes: int, *, closed: bool) -> bool:
        return closed or gate(self, records, size_bytes, closed=closed)

    with patch.object(Bound, "gate", stuck):
        yield


@contextmanager
def short_runs_wait_for_more() -> Iterator[None]:
    """SmallRye #1507: at the end of a topic records wait until later ones come."""
    take = PartitionLanes.take

    def waiting(self: PartitionLanes, number: int, limit: int, *rest: Any) -> Run | None:
        return take(self, number, limit, *rest) if len(self._lanes[number].pending) >= 2 else None

    with patch.object(PartitionLanes, "take", waiting):
        yield


@contextmanager
def any_success_resets_all_attempts() -> Iterator[None]:
    """Spring Kafka before 4.2: one healthy partition reset another's retry counter, so poison never got out."""
    done = PartitionLanes.done

    def resetting(self: PartitionLanes, *args: Any, **named: Any) -> bool:
        more = done(self, *args, **named)
        for lane in self._lanes:
            lane.attempt = 0
        return more

    with patch.object(PartitionLanes, "done", resetting):
        yield


@contextmanager
def the_bound_forgets_what_runs() -> Iterator[None]:
    """Parallel Consumer #832: work in flight does not count, memory grows."""

    def gate(self: PartitionLanes) -> bool:
        queued = sum(len(lane.pending) for lane in self._lanes)
        self.paused = BOUND.gate(queued, 0, closed=self.paused)
        return self.paused

    with patch.object(PartitionLanes, "gate", gate):
        yield


@contextmanager
def late_results_are_heard() -> Iterator[None]:
    """KPipe's fifth invariant: what comes back after a revoke is taken for the new assignment's."""

    def any_open(self: LaneScheduler, assigned: Assigned) -> PartitionLanes | None:
        return self._partitions.get(assigned.partition)

    with patch.object(LaneScheduler, "_open", any_open), patch.object(LaneScheduler, "_open_or_closing", any_open):
        yield


@contextmanager
def runs_end_at_the_frontier() -> Iterator[None]:
    """Commit past a gap: a cut run claims everything that was fetched."""
    take = PartitionLanes.take

    def greedy(self: PartitionLanes, *args: Any) -> Run | None:
        run = take(self, *args)
        if run is not None:
            run = self._lanes[run.lane].running = replace(run, next_offset=self.frontier)
        return run

    with patch.object(PartitionLanes, "take", greedy):
        yield


@contextmanager
def repeats_are_not_known() -> Iterator[None]:
    """The relay's second copy of an event reaches the handler."""
    with patch.object(triage, "is_repeat", lambda *_: False):
        yield


@contextmanager
def keys_change_lanes() -> Iterator[None]:
    """Concurrency without key affinity: any worker takes any record."""
    turn = iter(range(1 << 40))
    with patch.object(lanes, "lane_of", lambda _, count: next(turn) % count):
        yield


@contextmanager
def a_lost_answer_forgets_what_was_parked() -> Iterator[None]:
    """Ours, found by this simulator: the commit came through, its answer did not, and the keys it parked ran on."""
    overtaken = PartitionLanes.overtaken

    def forgetful(self: PartitionLanes, run: Run, stored: LanePosition) -> bool:
        before = set(self._lanes[run.lane].parked_keys)
        more = overtaken(self, run, stored)
        self._lanes[run.lane].parked_keys &= before
        return more

    with patch.object(PartitionLanes, "overtaken", forgetful):
        yield


MUTATIONS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    mutation.__name__: mutation
    for mutation in (
        full_buffer_drops_records,
        positions_pass_what_waits,
        frozen_partition_is_not_missed,
        seeking_is_the_only_remedy,
        paused_for_ever,
        short_runs_wait_for_more,
        any_success_resets_all_attempts,
        the_bound_forgets_what_runs,
        late_results_are_heard,
        runs_end_at_the_frontier,
        repeats_are_not_known,
        keys_change_lanes,
        a_lost_answer_forgets_what_was_parked,
    )
}
