"""A world in which versions are lost on their way, and some of them come late: who waits for them keeps their order."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from outbox.consumer.triage import BEHIND, WAITING
from outbox.kafka.port import TopicPartition
from tests.simulator.database import hold
from tests.simulator.member import Member
from tests.simulator.world import KEYS, PARTITIONS, WEIGHTS, Step, World

GAPS: Mapping[str, int] = {**WEIGHTS, "lose": 4, "come_late": 3, "let_go": 8}


def steps_with_gaps(seed: int, count: int) -> list[Step]:
    """The steps of a seed."""
    rng = random.Random(seed)
    return [Step(kind, rng.randrange(1 << 30)) for kind in rng.choices(list(GAPS), list(GAPS.values()), k=count)]


class GappyWorld(World):
    """Members wait for versions. In the end all that was lost has come, unless `for_good`."""

    def __init__(self, *, for_good: bool = False) -> None:
        super().__init__()
        self.database.waits = True
        self._for_good = for_good
        self._lost: list[tuple[TopicPartition, bytes, int]] = []
        self._acts |= {kind: getattr(self, f"_{kind}") for kind in GAPS.keys() - WEIGHTS.keys()}

    def run(self, steps: Sequence[Step]) -> None:
        super().run(steps)
        if not self._for_good:
            for partition, key, number in self._lost:
                self.database.append(partition, key, number, 0)
            self._lost.clear()
            self._come_to_rest()
        for key in KEYS:
            self.database.let_go(key)
        waiting = {key: rows for key in KEYS if (rows := self.database.parked[key]) and not _is_a_persons(rows)}
        hold("what waits, waits for a version that never came", self._for_good or not waiting, waiting)

    def _lose(self, rng: random.Random, _: Member) -> None:
        key = rng.choice(KEYS)
        self._numbers[key] += 1
        self._lost.append((PARTITIONS[KEYS.index(key) % len(PARTITIONS)], key, self._numbers[key]))

    def _come_late(self, rng: random.Random, _: Member) -> None:
        if self._lost:
            self.database.append(*self._lost.pop(rng.randrange(len(self._lost))), 0)

    def _let_go(self, rng: random.Random, _: Member) -> None:
        self.database.let_go(rng.choice(KEYS))


def _is_a_persons(rows: Sequence[tuple[object, str]]) -> bool:
    return any(why != BEHIND and not why.startswith(WAITING) for _, why in rows)
