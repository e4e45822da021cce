"""The shape of an answer: ours, the peers measured in the same run, and the ratio to the first peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from strangler.local import Stack


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A peer that the command line leaves out, and how to measure it."""

    next_step: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`ours` and `peers` in `unit`; `ratio` is ours divided by the first peer that was measured, `ratio_to` its name.

    There is none where that peer came to nothing.
    A peer that was left out is in the document too, under `left_out`, with its next step.
    """

    name: str
    unit: str
    ours: float
    peers: Mapping[str, float | LeftOut]
    settings: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        measured = {name: value for name, value in self.peers.items() if not isinstance(value, LeftOut)}
        left_out = {name: value.next_step for name, value in self.peers.items() if isinstance(value, LeftOut)}
        first = next(iter(measured))
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": round(self.ours, 3),
            "peers": {name: round(value, 3) for name, value in measured.items()},
            "ratio": round(self.ours / measured[first], 3) if measured[first] else None,
            "ratio_to": first,
            "left_out": left_out,
            "settings": dict(self.settings),
        }


Question = Callable[[Stack], Answer]
