"""A group of members over one database: a seed makes steps, steps make a run, a run holds every invariant or stops."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outbox.kafka.port import TopicPartition
from tests.simulator.database import Database, Log, Violation, hold
from tests.simulator.member import LOOK_S, Ending, Member

PARTITIONS = tuple(TopicPartition("order", number) for number in range(3))
KEYS = [f"k{number}".encode() for number in range(7)]
MEMBERS = 2
REST_LIMIT = 150  # rounds of half a second: two remedies of the watchdog take 40

# What happens how often. Everything that can go wrong is rarer than what should happen.
WEIGHTS: Mapping[str, int] = {
    "produce": 22,
    "poll": 24,
    "take": 20,
    "finish": 18,
    "sweep": 6,
    "tick": 10,
    "fail": 4,
    "lose_answer": 4,
    "lose_sweep": 1,
    "repeat": 2,
    "resolve": 1,
    "move": 1,
    "move_untold": 1,
    "crash": 1,
    "freeze": 1,
}


@dataclass(frozen=True, slots=True)
class Step:
    """Small numbers of its own, so that a step means the same when others are left out."""

    kind: str
    seed: int


def steps_of(seed: int, count: int) -> list[Step]:
    """The steps of a seed."""
    rng = random.Random(seed)
    kinds = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    return [Step(kind, rng.randrange(1 << 30)) for kind in kinds]


class World:
    """Everything of one run."""

    def __init__(self) -> None:
        self.now = 0.0
        self.database = Database({partition: Log() for partition in PARTITIONS})
        self.poison: set[tuple[str, int]] = set()
        self.members = [self._member() for _ in range(MEMBERS)]
        for number, partition in enumerate(PARTITIONS):
            self.members[number % MEMBERS].owned.add(partition)
        self._numbers: dict[bytes, int] = defaultdict(int)
        self._acts: dict[str, Callable[[random.Random, Member], None]] = {
            kind: getattr(self, f"_{kind}") for kind in WEIGHTS
        }

    def run(self, steps: Sequence[Step]) -> None:
        """Raises `Violation`. After the last step all faults end, and everything must come to rest."""
        for step in steps:
            rng = random.Random(step.seed)
            self._acts[step.kind](rng, rng.choice(self.members))
        self._come_to_rest()

    def _come_to_rest(self) -> None:
        for _ in range(REST_LIMIT):
            for member in self.members:
                member.hear()
                member.settle()
                member.poll()
                member.look()
                while member.take():
                    pass
                while member.runs:
                    member.finish(0, Ending.COMMITTED, 0.0)
                member.sweep()
            self.now += LOOK_S
            if self._all_done() and all(member.at_rest() for member in self.members):
                break
        left = {place: offsets for place, offsets in self.database.undone.items() if offsets}
        hold("everything is done in the end", self._all_done(), left)
        hold("nothing is held in the end", all(member.at_rest() for member in self.members))
        for member in self.members:
            hold("the load is counted back to nothing", set(member.board.load().values()) <= {(0, 0)})

    def _all_done(self) -> bool:
        rows = self.database.rows
        return all(
            row.next_offset == log.end
            for one, log in self.database.logs.items()
            if log.end
            for row in rows.get(one, [])
        ) and not any(self.database.undone.values())

    def _member(self) -> Member:
        return Member(self.database, lambda: self.now, self.poison)

    # The steps

    def _produce(self, rng: random.Random, _: Member) -> None:
        for _more in range(rng.randint(1, 6)):
            key = rng.choice(KEYS)
            self._numbers[key] += 1
            partition = PARTITIONS[KEYS.index(key) % len(PARTITIONS)]
            luck = rng.random()
            if luck < 0.04:
                self.poison.add((key.decode(), self._numbers[key]))
            number = None if luck > 0.99 else self._numbers[key]
            self.database.append(partition, key, number, rng.choice((0, 0, 0, 1, 2)))
        if rng.random() < 0.1:
            self.database.logs[rng.choice(PARTITIONS)].end += 1  # a transaction marker

    def _repeat(self, rng: random.Random, _: Member) -> None:
        self.database.repeat(rng.choice(PARTITIONS), rng.randint(1, 6))

    def _poll(self, rng: random.Random, member: Member) -> None:
        self.now += rng.choice((0.0, 0.05, LOOK_S))
        member.hear()
        if rng.random() < 0.8:
            member.settle()
        member.poll()
        member.look()

    def _take(self, _: random.Random, member: Member) -> None:
        member.take()

    def _finish(self, rng: random.Random, member: Member, ending: Ending = Ending.COMMITTED) -> None:
        if member.runs:
            member.finish(rng.randrange(100), ending, rng.choice((0.0, 0.1, 2.0)))

    def _fail(self, rng: random.Random, member: Member) -> None:
        self._finish(rng, member, Ending.FAILED)

    def _lose_answer(self, rng: random.Random, member: Member) -> None:
        self._finish(rng, member, Ending.ANSWER_LOST)

    def _sweep(self, _: random.Random, member: Member) -> None:
        member.sweep()

    def _lose_sweep(self, _: random.Random, member: Member) -> None:
        member.sweep(answer_lost=True)

    def _tick(self, rng: random.Random, _: Member) -> None:
        self.now += rng.choice((0.1, 1.0, 30.0))

    def _resolve(self, rng: random.Random, _: Member) -> None:
        """A person settles a parked key."""
        if self.database.open_keys:
            self.database.settle(rng.choice(sorted(self.database.open_keys)))

    def _move(self, rng: random.Random, member: Member) -> None:
        """A rebalance: the old owner hears of it before the new one begins."""
        partition = self._move_to(rng, member)
        for other in self.members:
            if partition not in other.owned:
                other.hear()

    def _move_untold(self, rng: random.Random, member: Member) -> None:
        """The old owner was stopped, and wakes up as a zombie: only the fence stands against it."""
        self._move_to(rng, member)

    def _move_to(self, rng: random.Random, member: Member) -> TopicPartition:
        partition = rng.choice(PARTITIONS)
        for other in self.members:
            other.owned.discard(partition)
        member.owned.add(partition)
        return partition

    def _crash(self, _: random.Random, member: Member) -> None:
        """kill -9: memory is gone, a new process takes its place."""
        heir = self._member()
        heir.owned = set(member.owned)
        self.members[self.members.index(member)] = heir

    def _freeze(self, rng: random.Random, member: Member) -> None:
        member.freeze(rng)


def violation_of(steps: Sequence[Step], make_world: Callable[[], World] = World) -> Violation | None:
    """Run them in a new world."""
    try:
        make_world().run(steps)
    except Violation as violation:
        return violation
    return None


def shrink(steps: Sequence[Step], violation: Violation) -> list[Step]:
    """Fewer steps that break the same invariant: leaves out ever smaller pieces, as long as it still breaks."""
    kept, size = list(steps), max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            found = violation_of(fewer)
            if found is not None and found.name == violation.name:
                kept = fewer
            else:
                start += size
        size //= 2
    return kept
