"""The hops of an order, and what each called for it, out of what the processes wrote down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Calls = Mapping[str, Sequence[str]]  # by hop, `file: function` in the order of their first calls

STEPS = ("fraud", "inventory", "payment", "notification", "search", "recommendation")
CONSUMERS = {**{step: f"strangler run {step}" for step in STEPS}, "order, a projection": "strangler run order"}
MONOLITH, RESUMER, WAITING, RECONCILE = "monolith", "resumer", "monolith, after the wait", "reconcile"
LABEL: Mapping[str, str] = {
    "facade": "strangler facade",
    MONOLITH: "legacy_app serve",
    "relay": "outbox relay",
    **CONSUMERS,
    RESUMER: "strangler run resume",
    WAITING: "legacy_app serve",
    RECONCILE: "reconcile",
}


def read(folder: Path, *, idle: int, order: int, judged: int) -> Calls:
    """What was called in the order's window, and not in the idle one; of reconciling, all of it."""
    lines = [line.split("\t") for path in folder.glob("*.calls") for line in path.read_text().splitlines()]
    calls = sorted((int(at), int(window), label, part, function) for window, at, label, part, function in lines)
    found: dict[str, list[str]] = {}
    for hop, label in LABEL.items():
        mine = [call for call in calls if call[2].startswith(label)]
        without_order = {function for _, window, _, _, function in mine if window == idle}
        here = [
            function
            for _, window, _, part, function in mine
            if window == (judged if hop == RECONCILE else order) and (hop == WAITING) == (part == "1")
        ]
        found[hop] = [function for function in dict.fromkeys(here) if function not in without_order]
    return found


def in_all(walks: Sequence[Calls]) -> Calls:
    """What was called in each of them, in the order of the first."""
    return {hop: common([walk[hop] for walk in walks]) for hop in walks[0]}


def common(lists: Sequence[Sequence[str]]) -> list[str]:
    """What stands in all of them, in the order of the first."""
    first, *others = lists
    return [each for each in first if all(each in other for other in others)]
