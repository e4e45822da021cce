"""What classes may let in while those who consume what they make are behind: the worst of a class's promises wins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from strangler.admission.lag_rate import LagRate
from strangler.admission.work_class import WorkClass

BELIEVED_S = 5.0  # what was read longer ago holds nobody back


@dataclass(frozen=True, slots=True)
class LagHeard:
    """What a context has still to do, and has done since ever, `at` a moment."""

    context: str
    at: float
    backlog: float
    done: float


class LagHolds:
    """One worker's. Of two classes that feed the same context the lower one gets what the upper one leaves."""

    def __init__(self, classes: Sequence[WorkClass]) -> None:
        self._rates = [{promise.context: LagRate(promise.within_s) for promise in one.lag_promises} for one in classes]
        self._allowed: dict[tuple[int, str], tuple[float, float]] = {}  # in a second, and until when that is believed

    def heard(self, heard: LagHeard, got_per_s: Sequence[float], part: float) -> dict[int, float]:
        """By its rank, what each class that feeds the context may let in now, in a second.

        `got_per_s`: what each class lets in here, which is `part` of all that is let in anywhere.
        """
        feeding = [rank for rank, rates in enumerate(self._rates) if heard.context in rates]
        above = 0.0
        for rank in feeding:
            allowed = self._rates[rank][heard.context].look(heard.at, heard.backlog, heard.done)
            # Of no limit a part is none either, also for a worker that has no part yet: 0 times inf is nan.
            mine = math.inf if allowed == math.inf else max(0.0, allowed * part - above)
            self._allowed[rank, heard.context] = mine, heard.at + BELIEVED_S
            above += got_per_s[rank]
        return {rank: self._least(rank, heard.at) for rank in feeding}

    def _least(self, rank: int, now: float) -> float:
        known = (self._allowed.get((rank, context), (math.inf, now)) for context in self._rates[rank])
        return min((per_s for per_s, until in known if until > now), default=math.inf)
