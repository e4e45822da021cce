"""What one decision costs, by its result: a clock around the rule."""

from __future__ import annotations

import gc
import time
from collections import defaultdict

from strangler.admission.slots import ClassSlots
from strangler.admission.work import Admitted, Grant, Settled, Work
from tests.admission.figures import percentile


class Timed:
    """A rule that notes how long each call of it takes."""

    def __init__(self, rule: ClassSlots) -> None:
        self._rule = rule
        self.took_us: dict[str, list[float]] = defaultdict(list)

    def admit(self, now: float, work: Work) -> Admitted:
        began = time.perf_counter_ns()
        said = self._rule.admit(now, work)
        self.took_us[type(said).__name__.lower()].append((time.perf_counter_ns() - began) / 1_000)
        return said

    def release(self, grant: Grant, now: float, *, served: bool) -> list[Settled]:
        began = time.perf_counter_ns()
        settled = self._rule.release(grant, now, served=served)
        self.took_us["release"].append((time.perf_counter_ns() - began) / 1_000)
        return settled

    def leave(self, work: Work) -> bool:
        return self._rule.leave(work)

    def tick(self, now: float) -> list[Settled]:
        return self._rule.tick(now)

    def figures(self) -> dict[str, float]:
        """Of results that were seen a hundred times and more."""
        return {
            f"{name}_{label}_us": percentile(took, share)
            for name, took in self.took_us.items()
            if len(took) >= 100
            for label, share in (("p50", 0.5), ("p99", 0.99))
        }


class WithoutCollector:
    """The collector's pauses are the process's, not the rule's."""

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
        gc.unfreeze()
