"""One consumer process without threads: the real board, lanes, triage and watchdog; a client with its surprises."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Set
from enum import Enum, auto

from outbox.consumer.originals import Originals
from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.lane_scheduler import LaneScheduler
from outbox.consumer.partitions.outcome import Outcome
from outbox.consumer.partitions.positions import Overtaken
from outbox.consumer.partitions.run import Run
from outbox.consumer.partitions.watchdog import Patience, Remedy, Stall, Watchdog, WatchedPosition
from outbox.consumer.triage import Doubtful, Triage, triage
from outbox.errors import Fenced
from outbox.kafka.port import TopicPartition
from tests.simulator.database import Database, LogReader, hold

BOUND = Bound(records=9)
FETCH, RUN_RECORDS = 5, 3
LOOK_S = 0.5


Place = tuple[TopicPartition, int, int]


def place_of(run: Run) -> Place:
    """Its lane within its assignment."""
    return run.assigned.partition, run.assigned.fence, run.lane


class Ending(Enum):
    """How a run under way comes back."""

    COMMITTED = auto()
    FAILED = auto()
    ANSWER_LOST = auto()  # committed, but the worker hears of an error


class Freeze(Enum):
    """What makes the client fetch a partition again."""

    UNTIL_SOUGHT = auto()
    UNTIL_REJOINED = auto()


class Member:
    """`owned` is what the group gave it; `told` what it has heard of that."""

    def __init__(self, database: Database, clock: Callable[[], float], poison: Set[tuple[str, int]]) -> None:
        self._database, self._clock, self._poison = database, clock, poison
        self.board = LaneScheduler(BOUND, RUN_RECORDS, clock)
        self.watchdog = Watchdog(Patience())
        self._originals = Originals(lambda: LogReader(database.logs), database.decode, clock=clock)
        self.owned: set[TopicPartition] = set()
        self.told: set[TopicPartition] = set()
        self.waiting: set[TopicPartition] = set()
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.frozen: dict[TopicPartition, Freeze] = {}
        self.runs: list[Run] = []
        self._attempts: dict[Place, int] = {}
        self._due: dict[Place, float] = {}
        self._fences: dict[TopicPartition, int] = {}
        self._served: dict[TopicPartition, int] = {}
        self._polls = 0

    def hear(self) -> None:
        """The callbacks of a poll: what the group took and gave."""
        for partition in sorted(self.told - self.owned):
            self._let_go(partition)
            self.waiting.discard(partition)
        self.waiting |= self.owned - self.told
        self.told = set(self.owned)

    def settle(self) -> None:
        """The keeper answers: partitions that wait are taken over and opened."""
        for partition in self.board.take_fenced():
            if partition in self.told:
                self.waiting.add(partition)
        for partition in sorted(self.waiting):
            assigned = self._database.assign(partition)
            self._fences[partition] = assigned.fence
            self.board.open(assigned)
            self._seek(partition, assigned.lowest)
            self.paused.discard(partition)
        self.waiting.clear()

    def poll(self) -> None:
        """Fetch the partition that waited longest, hand it over, apply the gates."""
        self._polls += 1
        for partition in sorted(self.positions, key=lambda one: (self._served.get(one, 0), one)):
            if partition in self.paused or partition in self.frozen:
                continue
            records, position = self._database.read(partition, self.positions[partition], FETCH)
            self._served[partition] = self._polls
            if position > self.positions[partition]:
                self.positions[partition] = position
                self.board.offer({partition: (records, position)})
                break
        pause, resume = self.board.gates()
        self.paused = (self.paused | set(pause)) - set(resume)
        self._check_load()

    def look(self) -> None:
        """The watchdog's turn, and its remedies."""
        open_ones = {one: fence for one, fence in self.board.flowing().items() if one in self.positions}
        flowing = {one: WatchedPosition(self.positions[one], fence) for one, fence in open_ones.items()}
        suspects = self.watchdog.look(self._clock(), flowing)
        stalls = self.watchdog.judge({one: self._database.logs[one].end for one in suspects})
        for stall in stalls:
            hold("the watchdog raises no false alarm", stall.partition in self.frozen, stall)
        for stall in stalls:
            self._heal(stall)

    def take(self) -> bool:
        run = self.board.take(0.0)
        if run is None:
            return False
        lane = place_of(run)
        hold("a lane has one worker", lane not in map(place_of, self.runs), run)
        hold("a failed lane rests as long as it was told", self._clock() >= self._due.get(lane, 0.0), run)
        hold("only its own success resets a lane's attempts", run.attempt == self._attempts.get(lane, 0), run)
        hold("only the open assignment is served", self._fences.get(run.assigned.partition) == run.assigned.fence, run)
        self.runs.append(run)
        return True

    def finish(self, number: int, ending: Ending, delay_s: float) -> None:
        """A worker comes back, however late."""
        run = self.runs.pop(number % len(self.runs))
        late = self._fences.get(run.assigned.partition) != run.assigned.fence
        before = (self.board.load(), self.board.lowest()) if late else None
        self._end(run, ending, delay_s)
        if late:
            hold("a late result changes nothing", (self.board.load(), self.board.lowest()) == before, run)

    def _end(self, run: Run, ending: Ending, delay_s: float) -> None:
        lane = place_of(run)
        try:
            if ending is not Ending.FAILED:
                outcome, found = self._sorted(run)
                self._database.commit(outcome.run, found)
        except Fenced:
            self.board.fenced(run.assigned)
            place = run.assigned.partition
            gone = place not in self.board.held() or self._fences.get(place) != run.assigned.fence
            hold("a fenced partition is let go", gone, run)
        except Overtaken as ahead:
            self.board.overtaken(run, ahead.stored)
            self._attempts[lane] = 0
        else:
            if ending is Ending.COMMITTED:
                self.board.done(outcome)
                self._attempts[lane] = 0
            else:
                self.board.retry(run, delay_s)
                self._attempts[lane] = run.attempt + 1
                self._due[lane] = self._clock() + delay_s

    def sweep(self, *, answer_lost: bool = False) -> None:
        """The keeper moves idle lanes."""
        for sweep in self.board.idle():
            try:
                self._database.sweep(sweep)
            except Fenced:
                self.board.fenced(sweep.assigned)
            else:
                if not answer_lost:
                    self.board.swept(sweep)
        for partition, lowest in self.board.lowest().items():
            undone = self._database.first_undone(partition)
            if self._fences[partition] == self._database.fences[partition]:
                hold("what is told to the broker is done", undone is None or lowest <= undone, (partition, lowest))

    def freeze(self, rng: random.Random) -> None:
        """The client silently fetches a partition no more."""
        if self.positions:
            self.frozen[rng.choice(sorted(self.positions))] = rng.choice(list(Freeze))

    def at_rest(self) -> bool:
        """Nothing is held, nothing held back."""
        held = any(records for records, _ in self.board.load().values())
        return not (self.runs or self.waiting or self.paused or held)

    def _sorted(self, run: Run) -> tuple[Outcome, Triage]:
        """As `apply_run`: what the handler condemns is parked, and the run ends with it."""
        condemned: dict[int, str] = {}
        while True:
            keys = frozenset(one.key for one in run.records if one.key in run.parked_keys and one.key is not None)
            blocked = keys & self._database.open_keys
            try:
                found = self._triage(run, blocked, condemned)
            except Doubtful as doubtful:
                run = self._originals.settle(run, doubtful)
                continue
            names = [(one.event.aggregate_id, one.event.aggregate_version) for one in found.events]
            poison = [one.offset for one, name in zip(found.events, names, strict=True) if name in self._poison]
            early = self._database.early(found.events)
            if early is None and not poison:
                return Outcome(run, found.last, {}, found.parked_keys, keys - blocked), found
            offset, reason = min([*((one, "poison") for one in poison), *([early] if early else [])])
            condemned[offset] = reason
            run = run.cut_behind(offset)

    def _triage(self, run: Run, blocked: Set[bytes], condemned: Mapping[int, str]) -> Triage:
        decode, repeats = self._database.decode, run.repeats
        return triage(run.records, decode, last=run.last, blocked=blocked, condemned=condemned, repeats=repeats)

    def _heal(self, stall: Stall) -> None:
        if stall.remedy is Remedy.REJOIN:
            self.frozen.clear()
            again = sorted(self.told)
        else:
            again = [stall.partition]
        for partition in again:
            self._let_go(partition)
            self.waiting.add(partition)

    def _let_go(self, partition: TopicPartition) -> None:
        self.board.close([partition], 0.0)
        self._fences.pop(partition, None)
        self.positions.pop(partition, None)
        self.paused.discard(partition)

    def _seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset
        if self.frozen.get(partition) is Freeze.UNTIL_SOUGHT:
            del self.frozen[partition]

    def _check_load(self) -> None:
        for partition, (records, size) in self.board.load().items():
            hold("the bound holds", 0 <= records < BOUND.records + FETCH, (partition, records))
            hold("bytes and records agree", (size > 0) == (records > 0), (partition, records, size))
            resumed = records > BOUND.records * BOUND.resume_at or partition not in self.paused
            hold("a partition below its bound goes on", resumed, (partition, records))
