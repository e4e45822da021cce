"""Two classes of work feed one consumer, which is slower than they are: what comes in is what it can do as promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from strangler.admission.lag_holds import BELIEVED_S, LagHeard, LagHolds
from strangler.admission.slots import ClassSlots
from tests.admission.world import World

CONSUMER = "ledger"
READ_S = 1.0
STEP_S = 0.05


@dataclass(slots=True)
class Lagging:
    """The consumer handles `per_s` events at a moment, of which each slot for the classes `feeding` makes one. It is
    read each second, first at `phase_s`. `lags`: moments, and how long its backlog would take.
    """

    world: World
    slots: ClassSlots
    holds: LagHolds
    feeding: tuple[int, ...]
    per_s: Callable[[float], float]
    phase_s: float
    done: float = 0.0
    lags: list[tuple[float, float]] = field(default_factory=list)

    def start(self) -> None:
        self.world.at(STEP_S, self._work)
        self.world.at(self.phase_s, self._read)

    def over(self, promise_s: float, begin: float, end: float) -> float:
        """The share of the time in which the promise is not kept."""
        seen = [lag for at, lag in self.lags if begin <= at < end]
        return sum(lag > promise_s for lag in seen) / len(seen)

    def _came(self) -> int:
        return sum(len(self.world.figures.classes[rank].grants) for rank in self.feeding)

    def _work(self, now: float) -> None:
        self.done = min(self._came(), self.done + STEP_S * self.per_s(now))
        self.lags.append((now, (self._came() - self.done) / max(self.per_s(now), 1e-9)))
        self.world.at(now + STEP_S, self._work)

    def _read(self, now: float) -> None:
        done = float(int(self.done))
        read = LagHeard(CONSUMER, now, self._came() - done, done)
        for rank, per_s in self.holds.heard(read, [queue.per_s for queue in self.slots.queues], 1.0).items():
            self.slots.hold(rank, per_s, now, now + BELIEVED_S)
        self.world.at(now + READ_S, self._read)
