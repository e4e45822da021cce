"""The shape of an answer: ours, the peers measured in the same run, and the ratio to the first peer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from strangler.local.stack import Stack
from strangler.step.intents import Json


@dataclass(frozen=True, slots=True)
class Answer:
    """`ours` and `peers` in `unit`; `ratio` is ours divided by the first peer."""

    name: str
    unit: str
    ours: float
    peers: dict[str, float]
    settings: dict[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        first = next(iter(self.peers.values()))
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": round(self.ours, 3),
            "peers": {name: round(value, 3) for name, value in self.peers.items()},
            "ratio": round(self.ours / first, 3),
            "settings": dict(self.settings),
        }


Question = Callable[[Stack], Answer]
