"""What workers may take: the lanes of all assigned partitions behind one lock."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence

from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.gates import Flow, flow_of, some_have_room, turned
from outbox.consumer.partitions.lanes import PartitionLanes, sort_by_lane
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.run import Assigned, LanePosition, Run, Sweep
from outbox.consumer.partitions.turns import Turns
from outbox.errors import SourceBroken
from outbox.kafka.port import Record, TopicPartition

Clock = Callable[[], float]


class LaneScheduler:
    """Threads meet here: the poll thread offers, workers take runs, the keeper takes sweeps.

    An assignment is known by its fence. Whatever comes back for an assignment that is no longer open is ignored.
    """

    def __init__(self, bound: Bound, run_records: int, clock: Clock, run_s: float = math.inf) -> None:
        self._bound, self._run_records, self._run_s, self._clock = bound, run_records, run_s, clock
        self._partitions: dict[TopicPartition, PartitionLanes] = {}
        self._closing: dict[TopicPartition, PartitionLanes] = {}
        self._turns = Turns()
        self._fenced: list[TopicPartition] = []
        self._broken: list[tuple[TopicPartition, SourceBroken]] = []
        self._stopped = False
        # One lock, two reasons to wait: a worker for a run, and who closes for the end of runs.
        lock = threading.Lock()
        self._changed, self._ended = threading.Condition(lock), threading.Condition(lock)

    # The poll thread

    def open(self, assigned: Assigned) -> None:
        """From now its records are taken."""
        with self._changed:
            self._partitions[assigned.partition] = PartitionLanes(assigned, self._bound, self._run_s)

    def offer(self, fetched: Mapping[TopicPartition, tuple[Sequence[Record], int]]) -> None:
        """Records and the consumer's position after them, per partition; those of unknown partitions are dropped."""
        with self._changed:
            counts = {one: self._partitions[one].count for one in fetched if one in self._partitions}
        # The lock is not held for it: this is most of the work.
        sorted_ones = [(one, sort_by_lane(fetched[one][0], count), fetched[one][1]) for one, count in counts.items()]
        with self._changed:
            ready = 0
            for partition, buckets, position in sorted_ones:
                lanes = self._partitions.get(partition)
                if lanes is not None:
                    numbers = lanes.accept(buckets, position)
                    self._turns.ask(lanes.assigned, numbers, self._clock())
                    ready += len(numbers)
            self._changed.notify(ready)

    def gates(self) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """Partitions to pause and to resume, by their bounds."""
        with self._changed:
            return turned(self._partitions)

    def flow(self) -> Flow:
        with self._changed:
            return flow_of(self._partitions)

    def wait_for_room(self, timeout_s: float) -> bool:
        """Wait until a paused partition may go on. False: the time ended first."""
        with self._changed:
            return self._ended.wait_for(lambda: self._stopped or some_have_room(self._partitions), timeout_s)

    def held(self) -> list[TopicPartition]:
        with self._changed:
            return list(self._partitions)

    def flowing(self) -> dict[TopicPartition, int]:
        """Those open that nothing holds back, with their fences."""
        with self._changed:
            open_ones = self._partitions.items()
            return {one: lanes.assigned.fence for one, lanes in open_ones if not (lanes.paused or lanes.dry)}

    def dry_up(self, partition: TopicPartition) -> None:
        """Nothing more comes of it for now; what is there is worked off."""
        with self._changed:
            if partition in self._partitions:
                self._partitions[partition].dry = True

    def assigned(self) -> list[Assigned]:
        """The assignments at work."""
        with self._changed:
            return [lanes.assigned for lanes in self._partitions.values()]

    def under_way(self) -> list[Run]:
        """Runs that were taken and have not ended yet."""
        with self._changed:
            return [run for lanes in self._partitions.values() for run in lanes.running()]

    def lowest(self) -> dict[TopicPartition, int]:
        """Per partition the offset below which all is done."""
        with self._changed:
            return {partition: lanes.lowest() for partition, lanes in self._partitions.items()}

    def load(self) -> dict[TopicPartition, tuple[int, int]]:
        """Per partition the records and bytes that are queued, running or waiting for a retry."""
        with self._changed:
            return {partition: (lanes.records, lanes.bytes) for partition, lanes in self._partitions.items()}

    def lanes(self) -> dict[TopicPartition, tuple[int, int]]:
        """Per partition how many lanes have something to do, and how many there are."""
        with self._changed:
            return {partition: (lanes.busy, lanes.count) for partition, lanes in self._partitions.items()}

    def standing(self) -> list[tuple[TopicPartition, int, int, int, float]]:
        """Lanes whose head waits to be tried again: partition, lane, offset, attempts so far, for how many seconds."""
        with self._changed:
            now = self._clock()
            return [
                (partition, number, offset, attempts, now - since)
                for partition, lanes in self._partitions.items()
                for number, offset, attempts, since in lanes.standing()
            ]

    def queued(self) -> list[tuple[TopicPartition, int, int, float]]:
        """Lanes that wait for a worker: partition, lane, first offset, for how many seconds."""
        with self._changed:
            return [
                (assigned.partition, number, head, for_s)
                for assigned, number, for_s in self._turns.waiting(self._clock())
                if (lanes := self._open(assigned)) is not None and (head := lanes.head(number)) is not None
            ]

    def at_work(self) -> list[tuple[TopicPartition, int, int, float]]:
        """Runs that were taken and have not ended: partition, lane, first offset, for how many seconds."""
        now = self._clock()
        return [(*run.place, now - run.begun) for run in self.under_way()]

    def take_fenced(self) -> list[TopicPartition]:
        """Partitions that another assignment took since the last call."""
        with self._changed:
            fenced, self._fenced = self._fenced, []
            return fenced

    def take_broken(self) -> list[tuple[TopicPartition, SourceBroken]]:
        """Partitions whose source broke since the last call, and how."""
        with self._changed:
            broken, self._broken = self._broken, []
            return broken

    def close(self, partitions: Sequence[TopicPartition], grace_s: float) -> bool:
        """Start no more runs of them, wait for those under way, forget. False: the grace ended first."""
        deadline = self._clock() + grace_s
        with self._changed:
            for partition in partitions:
                if partition in self._partitions:
                    self._closing[partition] = closing = self._partitions.pop(partition)
                    closing.given_up.yes = True
            quiet = self._wait_quiet([self._closing[one] for one in partitions if one in self._closing], deadline)
            for partition in partitions:
                self._closing.pop(partition, None)
            return quiet

    def stop(self) -> None:
        """Give out no more runs; `take` answers None from now."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            self._ended.notify_all()

    def stopped(self) -> bool:
        with self._changed:
            return self._stopped

    def wait_quiet(self, timeout_s: float) -> bool:
        """Wait until no run is under way."""
        with self._changed:
            return self._wait_quiet(list(self._partitions.values()), self._clock() + timeout_s)

    # Workers

    def take(self, timeout_s: float, limit: int | None = None) -> Run | None:
        """The next run, of `limit` events at most; None after the timeout or when stopped."""
        deadline = self._clock() + timeout_s
        with self._changed:
            while not self._stopped:
                while (turn := self._turns.next(self._clock())) is not None:
                    assigned, number = turn
                    lanes = self._open(assigned)
                    run = lanes.take(number, limit or self._run_records, self._clock()) if lanes else None
                    if run is not None:
                        return run
                if not self._changed.wait_for(self._something_due, self._until(deadline)) and self._clock() >= deadline:
                    return None
        return None

    def rest(self, seconds: float) -> None:
        """Take nothing for so long; ends at once when stopped."""
        with self._changed:
            self._ended.wait_for(lambda: self._stopped, seconds)

    def done(self, outcome: Outcome, rest_s: float = 0.0) -> None:
        """A run is committed; or the cut that was made of it, the others wait at the head, `rest_s` at least."""
        run = outcome.run
        with self._changed:
            lanes = self._open_or_closing(run.assigned)
            if lanes is not None:
                more = lanes.done(outcome, self._clock() - run.begun)
                if rest_s:
                    lanes.stand(run.lane, self._clock())
                    self._again_after(run, rest_s)
                else:
                    self._again(run, more=more)

    def retry(self, run: Run, delay_s: float, *, tried: bool = True) -> None:
        """The run was rolled back, or not even tried; its lane rests for `delay_s`, other lanes go on."""
        with self._changed:
            lanes = self._open_or_closing(run.assigned)
            if lanes is not None:
                lanes.give_back(run, tried=tried)
                lanes.stand(run.lane, self._clock())
                self._again_after(run, delay_s)

    def overtaken(self, run: Run, stored: LanePosition) -> None:
        """The run, or part of it, had been committed before."""
        with self._changed:
            lanes = self._open_or_closing(run.assigned)
            if lanes is not None:
                self._again(run, more=lanes.overtaken(run, stored))

    def fenced(self, assigned: Assigned) -> None:
        """Another assignment took the partition: forget ours."""
        with self._changed:
            if self._forget(assigned):
                self._fenced.append(assigned.partition)

    def broken(self, assigned: Assigned, error: SourceBroken) -> None:
        """The partition's next event may not be handled: stop all of it, for its source is one."""
        with self._changed:
            if self._forget(assigned):
                self._broken.append((assigned.partition, error))

    # The keeper

    def idle(self) -> list[Sweep]:
        with self._changed:
            return [sweep for lanes in self._partitions.values() if (sweep := lanes.idle()) is not None]

    def swept(self, sweep: Sweep) -> None:
        with self._changed:
            lanes = self._open(sweep.assigned)
            if lanes is not None:
                lanes.swept(sweep)

    # Under the lock

    def _forget(self, assigned: Assigned) -> bool:
        """Whether the assignment was open."""
        lanes = self._open_or_closing(assigned)
        if lanes is not None:
            lanes.abandon()
        was_open = self._open(assigned) is not None
        if was_open:
            del self._partitions[assigned.partition]
        self._ended.notify_all()
        return was_open

    def _open(self, assigned: Assigned) -> PartitionLanes | None:
        lanes = self._partitions.get(assigned.partition)
        return lanes if lanes is not None and lanes.assigned.fence == assigned.fence else None

    def _open_or_closing(self, assigned: Assigned) -> PartitionLanes | None:
        lanes = self._closing.get(assigned.partition)
        return self._open(assigned) or (lanes if lanes and lanes.assigned.fence == assigned.fence else None)

    def _again(self, run: Run, *, more: bool) -> None:
        if more:
            self._turns.ask(run.assigned, [run.lane], self._clock())
            self._changed.notify()
        self._ended.notify_all()

    def _again_after(self, run: Run, delay_s: float) -> None:
        self._turns.ask_at(self._clock() + delay_s, run.assigned, run.lane)
        self._changed.notify()
        self._ended.notify_all()

    def _something_due(self) -> bool:
        return self._stopped or self._turns.is_one_due(self._clock())

    def _until(self, deadline: float) -> float:
        return max(0.0, self._turns.until(deadline) - self._clock())

    def _wait_quiet(self, partitions: Sequence[PartitionLanes], deadline: float) -> bool:
        return self._ended.wait_for(
            lambda: not any(lanes.running() for lanes in partitions), max(0.0, deadline - self._clock())
        )
