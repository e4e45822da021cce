"""One seed of the campaign of adversarial records: how the consumer is set up, what is sent to it, and in between."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.record_bytes import garbage, odd_keys
from tests.faults.record_sent import Move, Record, Writer
from tests.faults.record_troubles import ANSWERS, ERRORS, SLOW

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
POINTS = ("consumer.assigned", "consumer.handled", "consumer.positioned", "consumer.committed")
CHUNKS, LARGEST_CHUNK = 10, 50
# What happens to the world, in turn: partitions are added, or the source of positions does this.
CHANGES = ("adds", "adds", *Move, Move.NONE, "")
HUGE_BYTES = 900_000
PLANT_EVERY = 10


class Plant(StrEnum):
    """What a process does wrong on purpose, so that the judge has something to find; the value is said of it."""

    LOSS = "lost"
    DOUBLE = "doubled"
    INVERSION = "inversions"
    SILENT_LOG = "silent in the log"
    SILENT_METRIC = "silent in metrics"
    DEAF = "deaf"

    @property
    def bar(self) -> str:
        """Under which it is to be found."""
        return self.value.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records of one producer, sent together. `ending`: what becomes of their transaction; none where empty."""

    codec: str
    ending: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """`point`: where the process stands still while `between`, the chunk's number, the world changes; none where empty.

    `lacks`: a codec that the process of this seed cannot unpack at first, as an older release. `moves`: what happens
    to the source of positions. `adds`: partitions are added. `parallel`: the handler is `InParallel`. `flood`: the
    policy's breaker of quarantine is as by default. `calm`: retries are as by default.
    """

    seed: int
    lanes: int
    point: str
    arrival: int
    between: int
    lacks: str
    move: Move
    adds: bool
    parallel: bool
    flood: bool
    calm: bool
    plant: Plant | None
    chunks: tuple[Chunk, ...]

    @property
    def told(self) -> str:
        """In a few words."""
        said = {
            "adds": self.adds,
            "parallel": self.parallel,
            "flood": self.flood,
            "calm": self.calm,
            f"lacks {self.lacks}": bool(self.lacks),
            f"source {self.move}": self.move is not Move.NONE,
            f"at {self.point}:{self.arrival}": bool(self.point),
            f"planted {self.plant}": self.plant is not None,
        }
        return ", ".join(what for what, is_so in said.items() if is_so)


def case_of(seed: int, plant: Plant | None = None) -> Case:
    """The same for the same seed; every tenth seed something is planted."""
    rng = random.Random(f"records:{seed}")
    planted = plant or (list(Plant)[seed // PLANT_EVERY % len(Plant)] if seed % PLANT_EVERY == 0 else None)
    calm, change = planted is not None, CHANGES[seed % len(CHANGES)]
    adds, move = not calm and change == "adds", Move(change) if not calm and change in set(Move) else Move.NONE
    between = rng.randrange(3, CHUNKS - 2)
    point = "" if calm else rng.choice(("", *POINTS))
    parallel = not calm and rng.random() < 0.2
    return Case(
        seed=seed,
        lanes=rng.randint(2, 8),
        point=point,
        arrival=1 if point == "consumer.assigned" else rng.randint(1, 4),
        between=between,
        lacks=rng.choice(("", "", "", "", "gzip", "snappy", "lz4", "zstd")) if not calm else "",
        move=move,
        adds=adds,
        parallel=parallel,
        flood=not calm and rng.random() < 0.1,
        calm=not calm and rng.random() < 0.3,
        plant=planted,
        chunks=_Stream(rng, between, move, planted, adds=adds).chunks(),
    )


@dataclass
class _Stream:
    """Makes the chunks of a seed."""

    rng: random.Random
    between: int
    move: Move
    planted: Plant | None
    adds: bool
    repeatable: list[Record] = field(default_factory=list)

    def chunks(self) -> tuple[Chunk, ...]:
        writer = Writer(self.rng)
        keys = [f"key-{number}".encode() for number in range(8)] + odd_keys(self.rng)
        made: list[Chunk] = []
        for number in range(CHUNKS):
            if number == self.between:
                writer.change(self.move)
                self.repeatable = []  # where partitions were added, or the source moved, a repeat is none
            made.append(self._chunk(writer, keys))
        return tuple(made)

    def _chunk(self, writer: Writer, keys: Sequence[bytes]) -> Chunk:
        rng = self.rng
        ending = rng.choice(("", "", "", "", "commit", "abort", "abort")) if self.planted is None else ""
        records = [self._record(writer, keys) for _ in range(rng.randint(1, LARGEST_CHUNK))]
        if not ending and self.planted is None and rng.random() < 0.1:
            records.append(writer.valid(rng.choice(keys), "Plain", rng.randbytes(64) * (HUGE_BYTES // 64)))
        if ending == "abort":
            records = [one for one in records if not one.repeat]
        if ending != "abort":
            self.repeatable += [one for one in records if one.placed and not one.repeat]
        return Chunk("none" if ending else rng.choice(CODECS), ending, tuple(records))

    def _record(self, writer: Writer, keys: Sequence[bytes]) -> Record:
        rng, chance = self.rng, self.rng.random()
        key = rng.choice(keys)
        if self.planted is not None:
            return self._planted(writer, key)
        if chance < 0.12:
            return garbage(rng, key if rng.random() < 0.3 else None, writer)
        if chance < 0.17 and self.repeatable:
            return rng.choice(self.repeatable[-30:]).again()
        value = rng.choice((b"{}", b"", b"\0", rng.randbytes(rng.randrange(400)), b"\xed\xa0\x80", b'{"a":' * 200))
        return writer.valid(key, self._trouble(), value, placed=rng.random() < 0.9)

    def _planted(self, writer: Writer, key: bytes) -> Record:
        """Nothing else goes wrong, so that what is found is what was planted."""
        muted = self.planted in {Plant.SILENT_LOG, Plant.SILENT_METRIC}
        first = not any(writer.numbers.values())
        return writer.valid(key, "Connection:always" if muted and first else "Plain", b"{}")

    def _trouble(self) -> str:
        """Most go well. What fails does so once, or until the handler is mended."""
        chance = self.rng.random()
        if chance < 0.86:
            return "Plain"
        if chance < 0.862:
            return SLOW
        name = self.rng.choice([*ERRORS, *ANSWERS])
        return f"{name}:{'always' if self.rng.random() < 0.25 else 'once'}"
