"""What is sent beside poison, what the handler does with it, and when each event's transaction is committed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Poison
from outbox.event import ReceivedEvent
from outbox.fault_points import FaultPoints

ROOT = Path(__file__).resolve().parents[2]
SHARE = 0.05
EACH = 10  # events of a key in a stretch
SEED = 7
SOON_S = 0.2  # from the order to the first event

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Draw:
    """Which events of a stretch are poison, the same in every stretch. `sick`: keys with at least one of them.

    The healthy keys are the same ones all through, the sick ones are new in each stretch: what waits in quarantine
    from the stretch before has nothing to do with this one.
    """

    keys: int
    poison: frozenset[tuple[int, int]]
    sick: frozenset[int]

    @classmethod
    def of(cls, events: int) -> Draw:
        rng, keys = random.Random(SEED), events // EACH
        poison = [(key, turn) for turn in range(EACH) for key in range(keys) if rng.random() < SHARE]
        return cls(keys, frozenset(poison), frozenset(key for key, _ in poison))

    def places(self, stretch: int) -> list[Place]:
        """In the order of sending: every key once, then every key again."""
        return [self.place(stretch, key, turn) for turn in range(EACH) for key in range(self.keys)]

    def poisoned(self, stretch: int) -> set[Place]:
        return {self.place(stretch, key, turn) for key, turn in self.poison}

    def place(self, stretch: int, key: int, turn: int) -> Place:
        if key in self.sick:
            return f"beside-{stretch}-{key}", turn + 1
        return f"order-{key}", stretch * EACH + turn + 1

    def measured(self, places: Sequence[Place]) -> list[int]:
        """Where in `places` those of the healthy keys are."""
        return [index for index, (key, _) in enumerate(places) if key.startswith("order-")]


class Handled(FaultPoints):
    """A handler that refuses the chosen events, and the fault_points at which what it did is committed."""

    def __init__(self) -> None:
        super().__init__()
        self.poison: set[Place] = set()
        self.refused: set[Place] = set()
        self.at: dict[Place, float] = {}
        self.replayed_at = 0.0
        self._batch = threading.local()

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        self._batch.places = places = [(one.event.aggregate_id, one.event.aggregate_version) for one in events]
        for index, place in enumerate(places):
            if place in self.poison:
                self.refused.add(place)
                raise Poison(index, "chosen")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO effects_seen (key, number) VALUES (%s, %s)", places)
        return [Disposition.APPLIED] * len(events)

    def reach(self, name: str) -> None:
        if name == "consumer.committed":
            self.at.update(dict.fromkeys(getattr(self._batch, "places", ()), time.monotonic()))
            self._batch.places = ()
        if name == "replay.committed":
            self.replayed_at = time.monotonic()


@dataclass
class Sender:
    """The sending process, at so many events per second; `late_ms`: the worst delay of each order."""

    process: subprocess.Popen[str]
    rate: int
    lsn: int = 1
    late_ms: list[float] = field(default_factory=list)
    sent: list[Place] = field(default_factory=list)

    def send(self, places: Sequence[Place]) -> float:
        """Until all is at the broker; the time at which the first was due."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        start = time.monotonic() + SOON_S
        order = {"start": start, "rate": self.rate, "lsn": self.lsn, "places": places}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, "the sender ended"
        self.late_ms.append(json.loads(answer)["late_ms"])
        self.lsn += len(places)
        self.sent += places
        return start


@contextmanager
def sender(bootstrap: str, topic: str, rate: int) -> Iterator[Sender]:
    """Ends with the block."""
    environ = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "TOPIC": topic}
    argv = [sys.executable, "-m", "tests.faults.poison_sender"]
    with subprocess.Popen(
        argv, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        yield Sender(process, rate)
