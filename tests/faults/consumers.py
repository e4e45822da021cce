"""One seed, one fault on a consumer group under load: killed, stopped and woken, joined, left, in a storm of both,
frozen, or left alone by the broker or the database. Afterwards every effect must be there once, in its key's order.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from strangler.local.stack import Stack
from tests.faults.members import PARTITIONS, WITHIN_S, Ground, Member, Tally, ground, tally
from tests.support.waiting import comes_true

POINTS = ("consumer.assigned", "consumer.handled", "consumer.positioned", "consumer.committed")
KINDS = ("kill", "kill", "zombie", "zombie", "kill_both", "kill_at_random", "join_and_leave")
BROKER_EVERY, DATABASE_EVERY, FREEZE_EVERY, STORM_EVERY = 40, 25, 50, 20
STORM_CHANGES = 8
REACHED_WITHIN_S = 45.0
KEYS, EACH = 12, 3
HEALED_WITHIN_S = 30.0


@dataclass(slots=True)
class ConsumerReport:
    """What a run of seeds found. `points`: how often each fault came about; a named point only where a member
    really stood still there.

    `missed` are faults that were asked for and did not come about; a run without a pause or a rebalance says so there
    too. `seeds` are those that came to their end, of so many `asked`; all that is counted is theirs.
    """

    asked: int = 0
    interrupted: bool = False
    seeds: list[int] = field(default_factory=list)
    points: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
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
        wrong = self.lost or self.duplicated_effects or self.inversions or self.late or self.died
        return bool(wrong or self.missed) or max(self.healed_s, default=0.0) > HEALED_WITHIN_S

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "points": dict(sorted(self.points.items()))}


def run_consumers(
    stack: Stack, seeds: Sequence[int], folder: Path, say: Callable[[str], None] = lambda _: None
) -> ConsumerReport:
    """All seeds on one broker and one database; what is left over by one is there for the next.

    Interrupted, it judges the seeds that came to their end, and says how to go on with the others.
    """
    report, began = ConsumerReport(asked=len(seeds)), time.monotonic()
    with ground(stack, f"consumers_{seeds[0]}", folder) as ground_:
        try:
            for place, seed in enumerate(seeds, 1):
                at = time.monotonic()
                set_ = Episode(ground_, stack, seed, report).run()
                say(f"seed {seed}, {place} of {len(seeds)}: {set_}, {time.monotonic() - at:.1f} s")
        except KeyboardInterrupt:
            report.interrupted = True
            left = len(seeds) - len(report.seeds)
            say(f"interrupted; go on with --seed {seeds[0] + len(report.seeds)} --seeds {left}")
        _judge(ground_, report)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def _judge(ground_: Ground, report: ConsumerReport) -> None:
    for member in list(ground_.members):
        ground_.leave(member)
    ended = {f"s{seed}" for seed in report.seeds}
    sent = {key: last for key, last in ground_.sent.items() if key.partition("-")[0] in ended}
    found: Tally = tally(sent, [one for one in ground_.effects() if one[0] in sent])
    report.events = sum(sent.values())
    report.pauses, report.rebalances = ground_.said("consumer_paused"), ground_.said("consumer_revoked")
    report.lost, report.duplicated_effects, report.inversions = found.lost, found.duplicated_effects, found.inversions
    report.missed += unseen(report)


def unseen(report: ConsumerReport) -> list[str]:
    """What every run of seeds brings about; one without it has tried too little to say anything."""
    seen = {"pause": report.pauses, "rebalance": report.rebalances}
    return [f"the run: no {what}" for what, count in seen.items() if report.seeds and not count]


class Episode:
    """One fault. `FAULTS` of the same seed repeats the choices, not the machine's timing."""

    def __init__(self, ground_: Ground, stack: Stack, seed: int, report: ConsumerReport) -> None:
        self._ground, self._stack, self._seed, self._report = ground_, stack, seed, report
        self._rng, self._prefix = random.Random(seed), f"s{seed}"
        self._set: list[str] = []
        self._missed: list[str] = []

    def run(self) -> str:
        """Load before, during and after the fault; then all must be applied. Returns what was set or missed."""
        members = self._ground.members
        first = members[0] if members else self._ground.start()
        self._load()
        kind = self._rng.choice(KINDS)
        if self._seed % FREEZE_EVERY == 11:
            self._freeze(first)
        elif self._seed % STORM_EVERY == 13:
            self._storm()
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
        if not comes_true(lambda: self._ground.applied(self._prefix), within_s=WITHIN_S):
            self._report.late.append(self._seed)
        for member in self._ground.dead():
            self._report.died.append(f"seed {self._seed}: {member.last_words()}")
        while len(self._ground.members) > 1:
            self._ground.leave(self._rng.choice(self._ground.members))
        self._report.seeds.append(self._seed)
        self._report.points.update(self._set)
        self._report.missed += (f"seed {self._seed}: {each}" for each in self._missed)
        return ", ".join([*self._set, *(f"missed {each}" for each in self._missed)])

    def _load(self) -> None:
        self._ground.send(self._prefix, KEYS, EACH)

    def _stop_at_a_point(self, kind: str, first: Member) -> None:
        point = self._rng.choice(POINTS)
        arrival = 1 if point == "consumer.assigned" else self._rng.randint(1, 4)
        doomed = self._ground.start(stop_at=f"{point}:{arrival}")
        if not self._fed_until_stopped(doomed, point):
            self._missed.append(f"{kind} {point}")
            if doomed.alive():  # it would stop in the midst of another seed; one that died by itself is told of
                self._ground.kill(doomed)
            return
        self._set.append(f"{kind} {point}")
        if kind == "zombie":
            self._load()
            comes_true(lambda: self._ground.applied(self._prefix), within_s=WITHIN_S)
            doomed.wake()
            return
        self._ground.kill(doomed)
        if kind == "kill_both":
            self._ground.kill(first)
            self._ground.start()

    def _fed_until_stopped(self, doomed: Member, point: str) -> bool:
        """It has partitions, then work, until it stands still at the point: a run of its own may pass others by."""
        comes_true(lambda: doomed.assigned() or doomed.stopped_at(point), within_s=WITHIN_S)

        def feed(_: float) -> None:
            self._load()
            comes_true(lambda: doomed.stopped_at(point), within_s=1.0)

        comes_true(lambda: doomed.stopped_at(point) or not doomed.alive(), within_s=REACHED_WITHIN_S, pause=feed)
        return doomed.stopped_at(point)

    def _join_and_leave(self, first: Member) -> None:
        second = self._ground.start()
        if self._rng.random() < 0.5:
            comes_true(second.assigned, within_s=WITHIN_S)
        self._load()
        self._ground.leave(self._rng.choice([first, second]))
        self._set.append("join_and_leave")

    def _storm(self) -> None:
        """Members come and go, killed or in order, and nobody waits until the group is at rest."""
        for _ in range(STORM_CHANGES):
            self._ground.start()
            self._load()
            end = self._rng.choice([self._ground.kill, self._ground.leave])
            end(self._rng.choice(self._ground.members))
        self._set.append("storm")

    def _kill_at_random(self, first: Member) -> None:
        second = self._ground.start()
        self._load()
        time.sleep(self._rng.uniform(0.0, 1.5))
        self._ground.kill(self._rng.choice([first, second]))
        self._set.append("kill_at_random")

    def _freeze(self, first: Member) -> None:
        """A partition that the client forgot, with the patience that the runtime comes with."""
        comes_true(lambda: self._ground.applied(self._prefix), within_s=WITHIN_S)
        stalls = self._ground.said("partition_stalled")
        first.tell(freeze=self._rng.randrange(PARTITIONS))
        time.sleep(0.5)  # a fetch under way would still bring records
        began = time.monotonic()
        self._ground.send(self._prefix, KEYS * PARTITIONS, 1)  # none of them stays without a record
        comes_true(lambda: self._ground.applied(self._prefix), within_s=WITHIN_S)
        self._report.healed_s.append(round(time.monotonic() - began, 1))
        frozen = self._ground.said("partition_stalled") > stalls
        (self._set if frozen else self._missed).append("freeze")

    def _restart_broker(self) -> None:
        assert self._stack.kafka is not None
        self._load()
        self._stack.kafka.kill()
        self._stack.kafka.start()
        self._set.append("broker restart")

    def _restart_database(self) -> None:
        assert self._stack.postgres is not None
        self._load()
        self._stack.postgres.running.kill()
        self._stack.postgres.start()
        self._set.append("database restart")
