"""Which commands of an orders file are replayed: a window of orders, and the cancellations of just these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from legacy_app.rehearsal.orders_file import CancelOrder, Command, Intake, PlaceOrder, commands, open_lines
from outbox.command import printable

LOOK_AHEAD_LINES = 100_000  # beyond the window, for its cancellations: about three months of the data's shop


@dataclass(frozen=True, slots=True)
class Window:
    """`orders` of the file's orders, after the first `offset`; `suffix` makes their references new ones."""

    orders: int
    offset: int = 0
    cancellations: bool = True
    suffix: str = ""


def select(path: Path, window: Window) -> tuple[list[Command], Intake]:
    """The window's commands in the order of the file. A file with fewer orders gives what it has."""
    intake = Intake()
    with open_lines(path) as (columns, lines):
        chosen = list(_chosen(commands(columns, lines, intake), window, intake))
        intake.complete = next(lines, None) is None
    return chosen, intake


def shortfall(path: Path, orders: int, offset: int, intake: Intake) -> str:
    """For people: how many orders there are, and why not more."""
    said = f"{printable(str(path))} has {orders} orders after the first {offset}"
    why = "it has no line below its first" if not intake.lines else intake.commonest()
    return said if why is None else f"{said}; {why}"


def _chosen(all_commands: Iterable[Command], window: Window, intake: Intake) -> Iterator[Command]:
    seen, names = 0, set()
    last_line: int | None = None
    for command in all_commands:
        if isinstance(command, PlaceOrder):
            seen += 1
            if window.offset < seen <= window.offset + window.orders:
                names.add(command.client_ref)
                yield _renamed(command, window.suffix)
        elif window.cancellations and command.client_ref in names:
            yield _renamed(command, window.suffix)
        if seen >= window.offset + window.orders:
            last_line = last_line or intake.lines
            if intake.lines > last_line + (LOOK_AHEAD_LINES if window.cancellations else 0):
                return


def _renamed(command: Command, suffix: str) -> Command:
    if isinstance(command, CancelOrder):
        return replace(
            command,
            cancellation_ref=command.cancellation_ref + suffix,
            client_ref=command.client_ref + suffix,
        )
    client_ref = command.client_ref + suffix
    return PlaceOrder(client_ref, {**command.body, "client_ref": client_ref})
