"""The processes below a process, from /proc: Linux only."""

from __future__ import annotations

from pathlib import Path


def descendants(pid: int) -> set[int]:
    """All processes below `pid`."""
    parents = {int(path.name): state_of(int(path.name))[1] for path in Path("/proc").glob("[0-9]*")}
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {pid}


def runs(pid: int) -> bool:
    """A zombie that nobody has reaped has ended."""
    return state_of(pid)[0] not in ("", "Z", "X")


def state_of(pid: int) -> tuple[str, int]:
    """State letter and parent; empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)
