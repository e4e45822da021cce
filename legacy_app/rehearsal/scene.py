"""What every act needs: the stack, the running system, the traffic, and the voice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from legacy_app.rehearsal import commands
from legacy_app.rehearsal.narrator import Narrator
from strangler import Plan
from strangler.local import Stack, System
from strangler.service import Json


@dataclass(frozen=True, slots=True)
class Scene:
    """One running system of a stack, with `orders` real orders of a file (the sample's own when None)."""

    stack: Stack
    plan: Plan
    system: System
    narrator: Narrator
    orders: int
    orders_file: Path | None

    @property
    def environ(self) -> Mapping[str, str]:
        return self.system.environ

    def run(self, name: str, argv: tuple[str, ...], *more: str, timeout_s: float = 60) -> Json:
        """One of the application's commands, to its end; what it said."""
        return commands.run(self.stack, name, [*argv, *more, "--json"], self.environ, timeout_s=timeout_s)

    def replay_arguments(self, url: str, orders: int) -> list[str]:
        """The same client, retries and time-outs wherever it is sent."""
        file = ["--orders-file", str(self.orders_file)] if self.orders_file else []
        return ["--url", url, "--orders", str(orders), "--json", *file]
