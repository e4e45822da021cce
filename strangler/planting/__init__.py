"""Faults for the judge to find: done to a system from outside, each said with the verdict that it must get."""

from __future__ import annotations

from strangler.planting.kinds import KINDS, plant
from strangler.planting.world import Planted, World

__all__ = ["KINDS", "Planted", "World", "plant"]
