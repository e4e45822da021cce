"""A rule that policies keep: its name, what breaks it, what to say, and the fix. Data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVarTuple

Judged = TypeVarTuple("Judged")


@dataclass(frozen=True, slots=True)
class Rule(Generic[*Judged]):
    """`what` is formatted with `policy`, the place `one`, two places `one` and `other`, or the `names` of a circle."""

    name: str
    broken: Callable[[*Judged], bool]
    what: str
    fix: str
