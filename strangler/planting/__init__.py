"""Faults for the judge to find: done to a system from outside, each said with the verdict that it must get.

A team adds what only it can spoil: a function of a `World` that returns what it has `Planted`.
"""

from __future__ import annotations

from strangler.planting.held import STUCK, hold_claim
from strangler.planting.kinds import KINDS, plant
from strangler.planting.opened import opened
from strangler.planting.world import DoneCall, Planted, World

__all__ = ["KINDS", "STUCK", "DoneCall", "Planted", "World", "hold_claim", "opened", "plant"]
