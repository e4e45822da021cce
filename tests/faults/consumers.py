"""One seed, one fault on a consumer group under load: killed, stopped and woken, joined, left, frozen, or left alone
by the broker or the database. Afterwards every effect must be there once, in its key's order.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from strangler.local.stack import Stack
from tests.faults.members import PARTITIONS, Ground, Member, Tally, ground, tally, within

POINTS = ("consumer.assigned", "consumer.handled", "consumer.positioned", "consumer.committed")
KINDS = ("kill", "kill", "zombie", "zombie", "kill_both", "kill_at_random", "join_and_leave")
BROKER_EVERY, DATABASE_EVERY, FREEZE_EVERY = 40, 25, 100
KEYS, EACH = 12, 3


@dataclass(slots=True)
class ConsumerReport:
    """What a run of seeds found. `points`: how often each fault was set, at which named point."""

    seeds: list[int] = field(default_factory=list)
    points: Counter[str] = field(default_factory=Counter)
    late: list[int] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    healed_s: list[float] = field(default_factory=list)
    events: int = 0
    pauses: int = 0
    rebalances: int = 0
    lost: int = 0
    duplicated_effects: int = 0
    inversions: int = 0
    seconds: float = 0.0

    def found(self) -> bool:
        return bool(self.lost or self.duplicated_effects or self.inversions or self.late or self.died)

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "points": dict(sorted(self.points.items()))}


def run_consumers(stack: Stack, seeds: Sequence[int], folder: Path) -> ConsumerReport:
    """All seeds on one broker and one database; what is left over by one is there for the next."""
    report, began = ConsumerReport(), time.monotonic()
    with ground(stack, f"consumers_{seeds[0]}", folder) as ground_:
        for seed in seeds:
            at = time.monotonic()
            Episode(ground_, stack, seed, report).run()
            sys.stderr.write(f"seed {seed} took {time.monotonic() - at:.1f} s\n")
        for member in list(ground_.members):
            ground_.leave(member)
        found: Tally = tally(ground_.sent, ground_.effects())
        report.events = sum(map(len, ground_.sent.values()))
        report.pauses, report.rebalances = ground_.said("consumer_paused"), ground_.said("consumer_revoked")
    report.lost, report.duplicated_effects, report.inversions = found.lost, found.duplicated_effects, found.inversions
    report.seconds = round(time.monotonic() - began, 1)
    return report


class Episode:
    """One fault. `FAULTS` of the same seed repeats the choices, not the machine's timing."""

    def __init__(self, ground_: Ground, stack: Stack, seed: int, report: ConsumerReport) -> None:
        self._ground, self._stack, self._seed, self._report = ground_, stack, seed, report
        self._rng, self._prefix = random.Random(seed), f"s{seed}"

    def run(self) -> None:
        """Load before, during and after the fault; then all must be applied."""
        members = self._ground.members
        first = members[0] if members else self._ground.start()
        self._load()
        kind = self._rng.choice(KINDS)
        if self._seed % FREEZE_EVERY == 11:
            self._freeze(first)
        elif kind == "join_and_leave":
            self._join_and_leave(first)
        elif kind == "kill_at_random":
            self._kill_at_random(first)
        else:
            self._stop_at_a_point(kind, first)
        if self._seed % BROKER_EVERY == 7:
            self._restart_broker()
        if self._seed % DATABASE_EVERY == 3:
            self._restart_database()
        self._load()
        if not within(lambda: self._ground.applied(self._prefix)):
            self._report.late.append(self._seed)
        for member in self._ground.dead():
            self._report.died.append(f"seed {self._seed}: {member.last_words()}")
        while len(self._ground.members) > 1:
            self._ground.leave(self._rng.choice(self._ground.members))
        self._report.seeds.append(self._seed)

    def _load(self) -> None:
        self._ground.send(self._prefix, KEYS, EACH)

    def _stop_at_a_point(self, kind: str, first: Member) -> None:
        point = self._rng.choice(POINTS)
        arrival = 1 if point == "consumer.assigned" else self._rng.randint(1, 4)
        doomed = self._ground.start(stop_at=f"{point}:{arrival}")
        within(lambda: doomed.assigned() or doomed.stopped_at(point))
        deadline = time.monotonic() + 20.0
        while not doomed.stopped_at(point) and time.monotonic() < deadline:
            self._load()
            within(lambda: doomed.stopped_at(point), 1.0)
        self._report.points[f"{kind} {point}"] += 1
        if kind == "zombie":
            self._load()
            within(lambda: self._ground.applied(self._prefix))
            doomed.wake()
            return
        self._ground.kill(doomed)
        if kind == "kill_both":
            self._ground.kill(first)
            self._ground.start()

    def _join_and_leave(self, first: Member) -> None:
        second = self._ground.start()
        if self._rng.random() < 0.5:
            within(second.assigned)
        self._load()
        self._ground.leave(self._rng.choice([first, second]))
        self._report.points["join_and_leave"] += 1

    def _kill_at_random(self, first: Member) -> None:
        second = self._ground.start()
        self._load()
        time.sleep(self._rng.uniform(0.0, 1.5))
        self._ground.kill(self._rng.choice([first, second]))
        self._report.points["kill_at_random"] += 1

    def _freeze(self, first: Member) -> None:
        """A partition that the client forgot, with the patience that the runtime comes with."""
        within(lambda: self._ground.applied(self._prefix))
        first.tell(freeze=self._rng.randrange(PARTITIONS))
        time.sleep(0.5)  # a fetch under way would still bring records
        began = time.monotonic()
        self._load()
        within(lambda: self._ground.applied(self._prefix))
        self._report.healed_s.append(round(time.monotonic() - began, 1))
        self._report.points["freeze"] += 1

    def _restart_broker(self) -> None:
        assert self._stack.kafka is not None
        self._load()
        self._stack.kafka.kill()
        self._stack.kafka.start()
        self._report.points["broker restart"] += 1

    def _restart_database(self) -> None:
        assert self._stack.postgres is not None
        self._load()
        self._stack.postgres.running.kill()
        self._stack.postgres.start()
        self._report.points["database restart"] += 1
